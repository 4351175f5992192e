package metric

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// File job.go runs a user's own check as a Kubernetes Job and reads how it ended; job_pods.go says why it did not.

// Job is what the Jobs of a round are made from.
type Job struct {
	Template []byte                 // a batch/v1 Job in JSON, whose strings are templates
	Name     string                 // what its name begins with: `podinfo-smoke`, of Canary and metric
	Round    string                 // which round of which revision it is for: the same round is the same Job
	Labels   map[string]string      // to put on it
	Owner    *metav1.OwnerReference // with whom it goes; nil: nobody
}

const (
	// jobTTL is how long an ended Job can be looked at that does not say.
	jobTTL = time.Hour
	// maxName leaves room for what the cluster appends to the names of Pods.
	maxName = 52
)

type job struct {
	config
	body []byte
	path string
	name string
	last string // what the last failed Pod wrote
}

func newJob(c config) (Provider, error) {
	// Without a round all Jobs of a metric would have one name, and the second check would find the first one's end.
	if c.Job.Round == "" || c.Namespace == "" {
		return nil, errors.New("a Job belongs to a round and a namespace")
	}
	made, err := c.render()
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(made)
	if err != nil {
		return nil, err
	}
	return &job{config: c, body: body, path: "/apis/batch/v1/namespaces/" + c.Namespace + "/jobs", name: made.Name}, nil
}

// name is unique to a round, and the same for its repetition.
func (j Job) name(begin, what string) string {
	sum := sha256.Sum256([]byte(j.Round + "\x00" + what))
	tail := "-" + hex.EncodeToString(sum[:5])
	name := strings.ToLower(strings.NewReplacer("_", "-", ".", "-", " ", "-").Replace(begin))
	return strings.Trim(name[:min(len(name), maxName-len(tail))], "-") + tail
}

// render is the Job with its strings filled in, and with what it leaves out.
func (c config) render() (*batchv1.Job, error) {
	var tree any
	// Strings are filled in before they have types: a quantity that is a template could not be read.
	if err := json.Unmarshal(c.Job.Template, &tree); err != nil {
		return nil, fmt.Errorf("spec.job is not an object: %w", unreadable(err))
	}
	filled, err := c.fill(tree)
	if err != nil {
		return nil, fmt.Errorf("spec.job: %w", err)
	}
	text, err := json.Marshal(filled)
	if err != nil {
		return nil, err
	}
	made := &batchv1.Job{}
	if err := json.Unmarshal(text, made); err != nil {
		return nil, fmt.Errorf("spec.job is not a Job: %w", unreadable(err))
	}
	if made.Kind != "" && made.Kind != "Job" {
		return nil, fmt.Errorf("spec.job is a %s, not a Job", made.Kind)
	}
	c.complete(made)
	harden(made)
	if c.Restricted {
		return made, restricted(made)
	}
	return made, nil
}

// fill renders all strings of a tree.
// Keys are left alone, so that two cannot become one.
func (c config) fill(node any) (any, error) {
	var err error
	switch n := node.(type) {
	case string:
		text, err := Render(n, c.Vars)
		// Where it stands for memory or the like it would be read as a quantity.
		if err == nil && tiny(text) {
			return nil, fmt.Errorf("%q is too small a number", text)
		}
		return text, err
	case []any:
		for i := range n {
			if n[i], err = c.fill(n[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		// Sorted: of several mistakes the first is told, and conditions must not flap.
		for _, key := range slices.Sorted(maps.Keys(n)) {
			if n[key], err = c.fill(n[key]); err != nil {
				return nil, err
			}
		}
	}
	return node, nil
}

// complete fills in what a check needs and a Job does not have by itself. Name and namespace of the template are not
// taken: the name has to follow from the round, and another namespace would be somebody else's.
func (c config) complete(made *batchv1.Job) {
	name := c.Job.Name
	if name == "" {
		name = c.Vars.Name
	}
	made.TypeMeta = metav1.TypeMeta{APIVersion: "batch/v1", Kind: "Job"}
	made.ObjectMeta = metav1.ObjectMeta{
		Name: c.Job.name(name, name), Namespace: c.Namespace,
		Labels: made.Labels, Annotations: made.Annotations,
	}
	for key, value := range c.Job.Labels {
		metav1.SetMetaDataLabel(&made.ObjectMeta, key, value)
	}
	if c.Job.Owner != nil {
		made.OwnerReferences = []metav1.OwnerReference{*c.Job.Owner}
	}
	s := &made.Spec
	// Long enough for a restarted operator to find it and for people to read its log, and then nobody cleans up.
	s.TTLSecondsAfterFinished = cmp.Or(s.TTLSecondsAfterFinished, new(int32(jobTTL.Seconds())))
	// A check that has to be tried twice has failed. Kubernetes would try six times more.
	s.BackoffLimit = cmp.Or(s.BackoffLimit, new(int32(0)))
	// A Job that nobody waits for any more must end by itself.
	s.ActiveDeadlineSeconds = cmp.Or(s.ActiveDeadlineSeconds, new(max(1, int64(c.Timeout.Seconds()))))
	// A Job must have one, and Pods default to Always, which is refused. Never keeps the Pod, and so its log.
	if s.Template.Spec.RestartPolicy == "" {
		s.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	}
}

// Query runs the Job and waits until it has ended: 1 if it completed, 0 if it failed, and then Explain has the
// last lines of its log. A Job that could not run, or not in time, is an error that says why. The query is
// not used.
func (j *job) Query(ctx context.Context, _ string) (float64, error) {
	// It exists when the operator was restarted in the middle of the round: then its end is waited for.
	if _, err := j.Cluster.Do(ctx, http.MethodPost, j.path, j.body); err != nil && !apierrors.IsAlreadyExists(err) {
		return 0, fmt.Errorf("making Job %q: %w", j.name, err)
	}
	var value float64
	err := j.poll(ctx, func() (ended bool, err error) {
		value, ended, err = j.look(ctx)
		return ended, err
	})
	if err != nil {
		return 0, fmt.Errorf("Job %q: %w", j.name, err)
	}
	return value, nil
}

// Explain is the end of the log of the Pod that failed.
func (j *job) Explain() string { return j.last }

func (j *job) look(ctx context.Context) (value float64, ended bool, err error) {
	found := &batchv1.Job{}
	if err := read(ctx, j.Cluster, j.path+"/"+j.name, found); err != nil {
		return 0, false, err
	}
	for _, c := range found.Status.Conditions {
		switch {
		case c.Status != corev1.ConditionTrue:
		case c.Type == batchv1.JobComplete:
			return 1, true, nil
		case c.Type == batchv1.JobFailed:
			return 0, true, j.failed(ctx, c)
		}
	}
	// FailureTarget and SuccessCriteriaMet only announce an end: Pods are still being stopped.
	return 0, false, j.stuck(ctx)
}

// failed is an error if the Job did not come to an end by itself.
func (j *job) failed(ctx context.Context, c batchv1.JobCondition) error {
	pods, err := j.pods(ctx)
	if err != nil {
		return err
	}
	j.last = j.log(ctx, pods)
	switch c.Reason {
	// Pods have run and said no. Everything else, as a deadline that passed, tells nothing about the canary.
	case batchv1.JobReasonBackoffLimitExceeded, batchv1.JobReasonPodFailurePolicy, batchv1.JobReasonFailedIndexes,
		batchv1.JobReasonMaxFailedIndexesExceeded:
		return nil
	}
	if j.last != "" {
		return fmt.Errorf("%s: %s; its log ends in: %s", c.Reason, c.Message, j.last)
	}
	return fmt.Errorf("%s: %s", c.Reason, c.Message)
}
