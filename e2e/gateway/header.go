package gateway

import (
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
)

// headerOps are changes to headers: removals first, then additions.
type headerOps struct {
	remove []string
	add    []headerAdd
}

type headerAdd struct {
	name   string
	value  string // may hold %COMMANDS%
	action core.HeaderValueOption_HeaderAppendAction
}

func compileHeaderOps(add []*core.HeaderValueOption, remove []string) (headerOps, error) {
	ops := headerOps{remove: remove}
	for _, option := range add {
		a := headerAdd{name: option.GetHeader().GetKey(), value: option.GetHeader().GetValue(), action: option.GetAppendAction()}
		if raw := option.GetHeader().GetRawValue(); len(raw) > 0 {
			a.value = string(raw)
		}
		if old := option.GetAppend(); old != nil && !old.GetValue() {
			a.action = core.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD
		}
		if bad := unknownCommand(a.value); bad != "" {
			return headerOps{}, fmt.Errorf("header %q: %q is not supported", a.name, bad)
		}
		ops.add = append(ops.add, a)
	}
	return ops, nil
}

var command = regexp.MustCompile(`%([A-Z_]*)(?:\(([^)]*)\))?%`)

func unknownCommand(value string) string {
	for _, found := range command.FindAllStringSubmatch(value, -1) {
		switch found[1] {
		case "", "REQ", "PROTOCOL", "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT":
		default:
			return found[0]
		}
	}
	return ""
}

// expand replaces commands by what they stand for in this request.
func expand(value string, r *http.Request) string {
	if !strings.Contains(value, "%") {
		return value
	}
	return command.ReplaceAllStringFunc(value, func(s string) string {
		found := command.FindStringSubmatch(s)
		switch found[1] {
		case "REQ":
			return requestValue(r, found[2])
		case "PROTOCOL":
			return r.Proto
		case "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT":
			host, _, err := net.SplitHostPort(r.RemoteAddr)
			if err != nil {
				return r.RemoteAddr
			}
			return host
		}
		return "%"
	})
}

// requestValue reads NAME or NAME?OTHER, the latter if the former is missing; a dash stands for neither.
func requestValue(r *http.Request, names string) string {
	q := queryOf(r, nil)
	for name := range strings.SplitSeq(names, "?") {
		if value, ok := q.value(strings.ToLower(name)); ok {
			return value
		}
	}
	return "-"
}

// request applies the changes to a request on its way up; the host is a header like any other here.
func (o headerOps) request(out, original *http.Request) {
	o.apply(out.Header, original)
	for _, a := range o.add {
		if name := strings.ToLower(a.name); name == ":authority" || name == "host" {
			out.Host = expand(a.value, original)
			out.Header.Del(a.name)
		}
	}
}

// apply changes headers; commands in values refer to the request as it came in.
func (o headerOps) apply(h http.Header, original *http.Request) {
	for _, name := range o.remove {
		h.Del(name)
	}
	for _, a := range o.add {
		there := len(h.Values(a.name)) > 0
		switch a.action {
		case core.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD:
			h.Add(a.name, expand(a.value, original))
		case core.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD:
			h.Set(a.name, expand(a.value, original))
		case core.HeaderValueOption_ADD_IF_ABSENT:
			if !there {
				h.Set(a.name, expand(a.value, original))
			}
		case core.HeaderValueOption_OVERWRITE_IF_EXISTS:
			if there {
				h.Set(a.name, expand(a.value, original))
			}
		}
	}
}
