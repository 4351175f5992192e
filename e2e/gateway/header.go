package gateway

import (
	"fmt"
	"net/http"
	"strings"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
)

// headerOps are changes to headers: removals first, then additions.
type headerOps struct {
	remove []string
	add    []headerAdd
}

type headerAdd struct {
	name, value string
	overwrite   bool
}

func compileHeaderOps(add []*core.HeaderValueOption, remove []string) (headerOps, error) {
	ops := headerOps{remove: remove}
	for _, option := range add {
		a := headerAdd{name: option.GetHeader().GetKey(), value: option.GetHeader().GetValue()}
		switch option.GetAppendAction() {
		case core.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD:
		case core.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD:
			a.overwrite = true
		default:
			return headerOps{}, fmt.Errorf("header %q: %s is not supported", a.name, option.GetAppendAction())
		}
		if old := option.GetAppend(); old != nil { // the older form of the same
			a.overwrite = !old.GetValue()
		}
		if strings.Contains(a.value, "%") {
			return headerOps{}, fmt.Errorf("header %q: a value to compute, %q, is not supported", a.name, a.value)
		}
		if name := strings.ToLower(a.name); name == "host" || strings.HasPrefix(name, ":") {
			return headerOps{}, fmt.Errorf("changing %q is not supported", a.name)
		}
		ops.add = append(ops.add, a)
	}
	return ops, nil
}

// apply changes headers.
func (o headerOps) apply(h http.Header) {
	for _, name := range o.remove {
		h.Del(name)
	}
	for _, a := range o.add {
		if a.overwrite {
			h.Set(a.name, a.value)
		} else {
			h.Add(a.name, a.value)
		}
	}
}
