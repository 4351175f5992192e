// Package gitops has what Flux and Argo CD make of a Canary in each phase.
package gitops

import (
	"encoding/json"
	"errors"
	"fmt"

	lua "github.com/yuin/gopher-lua"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// ArgoCD is what Argo CD makes of Canaries by the scripts that it is given.
type ArgoCD struct {
	health, offered string
	acts            map[string]string
}

// NewArgoCD reads artifacts/argocd/argocd-cm.yaml.
func NewArgoCD(settings []byte) (*ArgoCD, error) {
	cm := corev1.ConfigMap{}
	if err := yaml.UnmarshalStrict(settings, &cm); err != nil {
		return nil, fmt.Errorf("read Argo CD's settings: %w", err)
	}
	actions := struct {
		Discovery   string `json:"discovery.lua"`
		Definitions []struct {
			Name   string `json:"name"`
			Action string `json:"action.lua"`
		} `json:"definitions"`
	}{}
	if err := yaml.UnmarshalStrict([]byte(cm.Data["resource.customizations.actions.flagger.app_Canary"]), &actions); err != nil {
		return nil, fmt.Errorf("read the actions of Canaries: %w", err)
	}
	a := &ArgoCD{health: cm.Data["resource.customizations.health.flagger.app_Canary"], offered: actions.Discovery, acts: map[string]string{}}
	for _, d := range actions.Definitions {
		a.acts[d.Name] = d.Action
	}
	return a, nil
}

// Health is what is shown of an object, and why.
func (a *ArgoCD) Health(o *unstructured.Unstructured) (health, message string, err error) {
	found, err := run(a.health, o)
	return fmt.Sprint(found["status"]), fmt.Sprint(found["message"]), err
}

// Offered is the menu of an object: each action, and whether it can be clicked.
func (a *ArgoCD) Offered(o *unstructured.Unstructured) (map[string]bool, error) {
	found, err := run(a.offered, o)
	if err != nil {
		return nil, err
	}
	offered := map[string]bool{}
	for name, state := range found {
		fields, ok := state.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("what the script says of %q is no table", name)
		}
		offered[name] = fields["disabled"] != true
	}
	return offered, nil
}

// Act is what the annotations of an object become by a click.
func (a *ArgoCD) Act(name string, o *unstructured.Unstructured) (map[string]string, error) {
	found, err := run(a.acts[name], o)
	return (&unstructured.Unstructured{Object: found}).GetAnnotations(), err
}

// run runs a script over an object, and returns what it returns.
func run(script string, o *unstructured.Unstructured) (map[string]any, error) {
	l := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer l.Close()
	// No more than Argo CD has.
	for name, open := range map[string]lua.LGFunction{lua.BaseLibName: lua.OpenBase, lua.TabLibName: lua.OpenTable, lua.OsLibName: lua.OpenOs} {
		if err := l.CallByParam(lua.P{Fn: l.NewFunction(open), Protect: true}, lua.LString(name)); err != nil {
			return nil, fmt.Errorf("open the library %s: %w", name, err)
		}
	}
	text, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("write the object: %w", err)
	}
	plain := map[string]any{}
	if err := json.Unmarshal(text, &plain); err != nil {
		return nil, fmt.Errorf("read the object: %w", err)
	}
	l.SetGlobal("obj", toLua(l, plain))
	if err := l.DoString(script); err != nil {
		return nil, fmt.Errorf("run the script: %w", err)
	}
	result, ok := fromLua(l.Get(-1)).(map[string]any)
	if !ok {
		return nil, errors.New("the script returns no table")
	}
	return result, nil
}

func toLua(l *lua.LState, v any) lua.LValue {
	switch v := v.(type) {
	case bool:
		return lua.LBool(v)
	case float64:
		return lua.LNumber(v)
	case string:
		return lua.LString(v)
	case []any:
		list := l.NewTable()
		for _, one := range v {
			list.Append(toLua(l, one))
		}
		return list
	case map[string]any:
		table := l.NewTable()
		for key, one := range v {
			table.RawSetString(key, toLua(l, one))
		}
		return table
	}
	return lua.LNil
}

func fromLua(v lua.LValue) any {
	switch v := v.(type) {
	case lua.LBool:
		return bool(v)
	case lua.LNumber:
		return float64(v)
	case lua.LString:
		return string(v)
	case *lua.LTable:
		table := map[string]any{}
		v.ForEach(func(key, one lua.LValue) { table[key.String()] = fromLua(one) })
		return table
	}
	return nil
}
