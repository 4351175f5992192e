package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/printers"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// output is the flag for objects as they are, instead of lines for people.
type output struct{ format string }

func (o *output) addFlags(c *cobra.Command) {
	c.Flags().StringVarP(&o.format, "output", "o", "", "json, yaml, name or jsonpath=TEMPLATE instead of lines for people")
}

func (o *output) validate() error {
	_, err := o.printer()
	return err
}

// printer prints objects in the format; nil: it is for people.
func (o *output) printer() (printers.ResourcePrinter, error) {
	kind, template, _ := strings.Cut(o.format, "=")
	switch kind {
	case "":
		return nil, nil
	case "json":
		return &printers.OmitManagedFieldsPrinter{Delegate: &printers.JSONPrinter{}}, nil
	case "yaml":
		return &printers.OmitManagedFieldsPrinter{Delegate: printers.ResourcePrinterFunc(printYAML)}, nil
	case "name":
		return &printers.NamePrinter{}, nil
	case "jsonpath":
		p, err := printers.NewJSONPathPrinter(template)
		if err != nil {
			return nil, usageError{fmt.Errorf("-o %s: %w", o.format, err)}
		}
		p.AllowMissingKeys(true)
		return p, nil
	}
	return nil, usageError{fmt.Errorf("-o %q is none of json, yaml, name, jsonpath=TEMPLATE", o.format)}
}

// print prints an object, without what terminals obey.
func (o *output) print(out io.Writer, object runtime.Object) error {
	p, err := o.printer()
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if _, names := p.(*printers.NamePrinter); names && meta.IsListType(object) { // it knows single objects alone
		err = meta.EachListItem(object, func(one runtime.Object) error { return p.PrintObj(one, &text) })
	} else {
		err = p.PrintObj(object, &text)
	}
	if err != nil {
		return err
	}
	fmt.Fprint(out, printable(text.String()))
	return nil
}

// printYAML prints an object as YAML, which has no room for the control characters that JSON may have.
func printYAML(object runtime.Object, out io.Writer) error {
	text, err := json.Marshal(object)
	if err != nil {
		return err
	}
	text, err = yaml.JSONToYAML([]byte(printable(string(text))))
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

// printable is text without control characters, but ends of lines and tabs.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, text)
}

// compareKeys orders objects by namespace and name.
func compareKeys(a, b client.Object) int {
	return cmp.Or(strings.Compare(a.GetNamespace(), b.GetNamespace()), strings.Compare(a.GetName(), b.GetName()))
}
