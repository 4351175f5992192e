package upgrade

import "github.com/sluice-cd/sluice/pkg/kube/kubetest"

// scenario is how a Canary gets into the state that is recorded, and what ends it. Its target runs version 1 at first.
type scenario struct {
	reason string
	spec   string // of the Canary, on top of base
	kind   string // of the target; empty: Deployment
	size   int32  // of the target; zero: two
	beside string // an object of the user's beside the target; of a ConfigMap `settings` the target has its environment

	rollout bool   // version 2 is deployed once the Canary rests
	closed  string // the webhook, by its type, that refuses until the Canary is let go on
	failing int    // checks that fail
	broken  map[string]kubetest.Fault
	// state is what is recorded: phase, weight and iterations. With a closed webhook, once that was asked.
	state string
	moves bool // it is over in a moment: nobody can hold it to be looked at

	suspend bool   // a person halts it, before it is recorded
	delete  bool   // it is deleted, before it is recorded; only then is broken what is broken
	then    string // the version that is deployed to have it go on
	end     string // as state; empty: the Canary is gone
	serves  string // the version that the primary runs then
}

const (
	weights   = "{analysis: {stepWeights: [30, 60]}}"
	iterates  = "{provider: kubernetes, analysis: {iterations: 2}}"
	headers   = "match: [{headers: {x-canary: {exact: insider}}}]"
	weightsBy = "{analysis: {stepWeights: [30, 60], "
)

func scenarios() map[string]scenario {
	return map[string]scenario{
		"initializing": {
			reason: "the primary is made", spec: weights, broken: map[string]kubetest.Fault{"podinfo-primary 1": kubetest.NeverReady},
			state: "Initializing 0 0", end: "Initialized 0 0", serves: "1",
		},
		"initialized": {reason: "nothing has been rolled out yet", spec: weights, state: "Initialized 0 0", then: "3", end: "Succeeded 0 0", serves: "3"},
		"waiting": {
			reason: "a new revision waits for leave to start", spec: weightsBy + gated("confirm-rollout"), closed: "confirm-rollout", rollout: true,
			state: "Waiting 0 0", end: "Succeeded 0 0", serves: "2",
		},
		"progressing-starting": {
			reason: "the canary's pods start", spec: weights, rollout: true, broken: map[string]kubetest.Fault{"podinfo 2": kubetest.NeverReady},
			state: "Progressing 0 0", end: "Succeeded 0 0", serves: "2",
		},
		"progressing-weights": {reason: "a step is under way", spec: weights, rollout: true, state: "Progressing 30 0", end: "Succeeded 0 0", serves: "2"},
		"progressing-step-weight": {
			reason: "steps of one width", spec: "{analysis: {stepWeight: 40, maxWeight: 80}}", rollout: true,
			state: "Progressing 40 0", end: "Succeeded 0 0", serves: "2",
		},
		"progressing-failed-once": {
			reason: "a failed check is remembered", spec: weights, rollout: true, failing: 1, state: "Progressing 30 0", end: "Succeeded 0 0", serves: "2",
		},
		"progressing-gate": {
			reason: "a weight waits for leave to grow", spec: weightsBy + gated("confirm-traffic-increase"), closed: "confirm-traffic-increase", rollout: true,
			state: "Progressing 0 0", end: "Succeeded 0 0", serves: "2",
		},
		"progressing-suspended": {
			reason: "a person has halted it", spec: weights, rollout: true, suspend: true, state: "Progressing 30 0", end: "Succeeded 0 0", serves: "2",
		},
		"progressing-affinity": {
			reason: "users are kept on their side by cookies", spec: weightsBy + "sessionAffinity: {cookieName: canary, primaryCookieName: primary}}}", rollout: true,
			state: "Progressing 30 0", end: "Succeeded 0 0", serves: "2",
		},
		"progressing-blue-green": {
			reason: "checks without a mesh", spec: iterates, rollout: true, state: "Progressing 0 1", end: "Succeeded 0 0", serves: "2",
		},
		"progressing-ab-test": {
			reason: "requests by their headers", spec: "{analysis: {iterations: 2, " + headers + "}}", rollout: true,
			state: "Progressing 100 1", end: "Succeeded 0 0", serves: "2",
		},
		"progressing-mirror": {
			reason: "copies of requests", spec: "{analysis: {iterations: 2, mirror: true}}", rollout: true,
			state: "Progressing 0 1", end: "Succeeded 0 0", serves: "2",
		},
		"progressing-replica-ratio": {
			reason: "weights by numbers of pods", spec: "{provider: kubernetes, analysis: {replicaRatio: true, stepWeights: [40, 80]}}", size: 5, rollout: true,
			state: "Progressing 40 0", end: "Succeeded 0 0", serves: "2",
		},
		"progressing-daemonset": {
			reason: "a target on every node", spec: weights, kind: "DaemonSet", rollout: true, state: "Progressing 30 0", end: "Succeeded 0 0", serves: "2",
		},
		"waiting-promotion": {
			reason: "a revision that passed waits for leave", spec: "{analysis: {stepWeights: [30], " + gated("confirm-promotion"), closed: "confirm-promotion", rollout: true,
			state: "WaitingPromotion 30 0", end: "Succeeded 0 0", serves: "2",
		},
		"promoting": {
			reason: "the primary gets the revision", spec: "{analysis: {stepWeights: [30]}}", rollout: true, broken: map[string]kubetest.Fault{"podinfo-primary 2": kubetest.NeverReady},
			state: "Promoting 30 0", end: "Succeeded 0 0", serves: "2",
		},
		"promoting-by-steps": {
			reason: "traffic goes back by steps", spec: "{analysis: {stepWeights: [60], stepWeightPromotion: 30}}", rollout: true,
			state: "Promoting 30 0", end: "Succeeded 0 0", serves: "2",
		},
		"promoting-skipped-analysis": {
			reason: "promoted unjudged", spec: "{skipAnalysis: true, analysis: {stepWeights: [30]}}", rollout: true, broken: map[string]kubetest.Fault{"podinfo-primary 2": kubetest.NeverReady},
			state: "Promoting 0 0", end: "Succeeded 0 0", serves: "2",
		},
		"promotion-failed": {
			reason: "the primary is the broken side, the canary serves", spec: "{progressDeadlineSeconds: 15, analysis: {stepWeights: [30]}}", rollout: true,
			broken: map[string]kubetest.Fault{"podinfo-primary 2": kubetest.NeverReady},
			state:  "Failed 100 0", then: "3", end: "Succeeded 0 0", serves: "3",
		},
		"finalising": {
			reason: "the last traffic goes back", spec: "{analysis: {stepWeights: [30]}}", rollout: true, moves: true,
			state: "Finalising 0 0", end: "Succeeded 0 0", serves: "2",
		},
		"succeeded": {reason: "at rest", spec: weights, rollout: true, state: "Succeeded 0 0", then: "3", end: "Succeeded 0 0", serves: "3"},
		"succeeded-blue-green": {
			reason: "at rest, without a mesh", spec: iterates, rollout: true, state: "Succeeded 0 0", then: "3", end: "Succeeded 0 0", serves: "3",
		},
		"succeeded-skipped-analysis": {
			reason: "at rest, unjudged", spec: "{skipAnalysis: true, analysis: {stepWeights: [30]}}", rollout: true, state: "Succeeded 0 0", then: "3", end: "Succeeded 0 0", serves: "3",
		},
		"succeeded-daemonset": {
			reason: "at rest, on every node", spec: weights, kind: "DaemonSet", rollout: true, state: "Succeeded 0 0", then: "3", end: "Succeeded 0 0", serves: "3",
		},
		"progressing-configs": {
			reason: "the primary has copies of the target's configs", spec: weights, rollout: true, state: "Progressing 30 0", end: "Succeeded 0 0", serves: "2",
			beside: "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {color: blue}}",
		},
		"progressing-autoscaler": {
			reason: "the primary has an autoscaler of its own", rollout: true, state: "Progressing 30 0", end: "Succeeded 0 0", serves: "2",
			spec: "{autoscalerRef: {apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, name: podinfo}, analysis: {stepWeights: [30, 60]}}",
			beside: "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: podinfo}, " +
				"spec: {minReplicas: 2, maxReplicas: 4, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}}}",
		},
		"succeeded-own-service": {
			reason: "the apex Service is the user's own", spec: weights, rollout: true, state: "Succeeded 0 0", then: "3", end: "Succeeded 0 0", serves: "3",
			beside: "{apiVersion: v1, kind: Service, metadata: {name: podinfo}, spec: {selector: {app: podinfo}, ports: [{name: web, port: 9898, targetPort: 8080}]}}",
		},
		"terminating": {
			reason: "the target is given back", spec: "{revertOnDeletion: true, analysis: {stepWeights: [30]}}", delete: true,
			broken: map[string]kubetest.Fault{"podinfo 1": kubetest.NeverReady}, state: "Terminating 0 0",
		},
		"failed": {reason: "a revision that failed is not tried again", spec: weights, rollout: true, failing: 3, state: "Failed 0 0", then: "3", end: "Succeeded 0 0", serves: "3"},
	}
}

func gated(hook string) string {
	return "webhooks: [{name: gate, type: " + hook + ", url: " + placeholder + "/hook/" + hook + "}]}}"
}
