package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/sluice-cd/sluice/pkg/action"
	"github.com/sluice-cd/sluice/pkg/apis/v1beta1"
	"github.com/sluice-cd/sluice/pkg/rollout"
	"github.com/sluice-cd/sluice/pkg/view"
)

// asked is an action as a browser asks for it.
type asked struct {
	Verb          v1beta1.ActionVerb `json:"verb"`
	Revision      string             `json:"revision"`
	Step          int                `json:"step"`
	Reason        string             `json:"reason"`
	Run           int                `json:"run"`
	SkipStep      bool               `json:"skipStep"`
	OverrideGates bool               `json:"overrideGates"`
}

// takes are the verbs that a user needs.
func (a *asked) takes() []string {
	takes := []string{string(a.Verb)}
	if a.SkipStep {
		takes = append(takes, skipStep)
	}
	if a.OverrideGates {
		takes = append(takes, string(v1beta1.ActionOverride))
	}
	return takes
}

// mostReason is how many characters a reason has at most.
const mostReason = 500

// serveAction writes what a user asks for as the Canary's annotation. The operator answers in the status.
func (s *Server) serveAction(w http.ResponseWriter, r *http.Request, u *User) error {
	var a asked
	if err := read(r, &a); err != nil {
		return err
	}
	namespace, name := r.PathValue("ns"), r.PathValue("name")
	if err := s.mayGet(r.Context(), u, namespace, name); err != nil {
		return err
	}
	if !slices.Contains(v1beta1.ActionVerbs, a.Verb) {
		return failure(http.StatusBadRequest, "there is no such action")
	}
	for _, verb := range a.takes() {
		allowed, err := s.may(r.Context(), u, verb, namespace, name)
		if err != nil {
			return err
		}
		if !allowed {
			return failure(http.StatusForbidden, "you may not "+verb+" canary "+namespace+"/"+name+": this takes the verb "+verb+" on canaries.flagger.app")
		}
	}
	request := rollout.Request{
		Verb: a.Verb, Revision: a.Revision, Step: a.Step, Run: a.Run, SkipStep: a.SkipStep, OverrideGates: a.OverrideGates, Reason: view.Clean(a.Reason, mostReason),
	}
	if _, _, err := request.Text(s.Now()); err != nil {
		return failure(http.StatusBadRequest, err.Error())
	}
	id, err := s.write(r.Context(), u, namespace, name, request)
	if err != nil {
		return err
	}
	s.Log.Info("an action was asked for", "canary", namespace+"/"+name, "verb", a.Verb, "by", u.Name, "id", id)
	answer(w, http.StatusAccepted, map[string]string{"id": id})
	return nil
}

// write writes the annotation, with an optimistic lock.
func (s *Server) write(ctx context.Context, u *User, namespace, name string, request rollout.Request) (id string, err error) {
	ctx, stop := context.WithTimeoutCause(ctx, s.Limits.Action, action.ErrAnother)
	defer stop()
	c := &v1beta1.Canary{}
	err = s.API.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, c)
	if err == nil {
		_, id, err = action.Writer{Client: s.API, Manager: fieldManager}.Write(ctx, c, request, u.Name)
	}
	switch {
	case apierrors.IsNotFound(err):
		return "", notThere(namespace, name)
	case errors.Is(err, action.ErrAnother):
		return "", failure(http.StatusConflict, "another action waits for the operator's answer; try it again in a moment")
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err):
		s.Log.Error(err, "an action was refused by the API server", "canary", namespace+"/"+name, "by", u.Name)
		return "", failure(http.StatusForbidden, "the API server refuses it: "+strings.TrimSpace(view.Clean(err.Error(), 300)))
	}
	return id, err
}
