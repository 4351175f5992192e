package kube

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
)

// DroppedError says that the API server stored a status without some of its fields: the definition of Canaries that it
// serves does not have them.
type DroppedError struct {
	Fields []string // sorted, such as analysis.metrics[].checks
}

// Error names the fields.
func (e *DroppedError) Error() string {
	return "the API server has dropped " + strings.Join(e.Fields, ", ") + ": its definition of Canaries does not have them"
}

// dropped are the fields of a status that were sent and did not come back. Values may come back in another form, such as
// times without their nanoseconds.
func dropped(sent, back v1beta1.CanaryStatus) []string {
	fields := lost("", reflect.ValueOf(sent), reflect.ValueOf(back))
	slices.Sort(fields)
	return slices.Compact(fields)
}

// lost goes down what was sent.
func lost(path string, sent, back reflect.Value) []string {
	if empty(sent) {
		return nil
	}
	if empty(back) {
		return []string{path}
	}
	switch sent.Kind() { //nolint:exhaustive // all others are values without parts
	case reflect.Pointer:
		return lost(path, sent.Elem(), back.Elem())
	case reflect.Struct:
		return lostOfStruct(path, sent, back)
	case reflect.Slice:
		if back.Len() < sent.Len() {
			return []string{path}
		}
		var fields []string
		for i := range sent.Len() {
			fields = append(fields, lost(path+"[]", sent.Index(i), back.Index(i))...)
		}
		return fields
	case reflect.Map:
		if back.Len() < sent.Len() {
			return []string{path}
		}
	}
	return nil
}

func lostOfStruct(path string, sent, back reflect.Value) []string {
	if sent.Type().Implements(reflect.TypeFor[json.Marshaler]()) {
		return nil // it has no fields in JSON: a time
	}
	var fields []string
	for i := range sent.NumField() {
		name, _, _ := strings.Cut(sent.Type().Field(i).Tag.Get("json"), ",")
		if path != "" {
			name = path + "." + name
		}
		fields = append(fields, lost(name, sent.Field(i), back.Field(i))...)
	}
	return fields
}

// empty says that a value is not sent, or was not found in an answer.
func empty(v reflect.Value) bool {
	if v.Kind() == reflect.Slice || v.Kind() == reflect.Map {
		return v.Len() == 0
	}
	return v.IsZero()
}
