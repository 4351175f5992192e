{{/* The kinds that routes of each provider are made of. Nothing else is among the operator's rights. Those that users have made
already are only changed. */}}
{{- define "sluice.routes" -}}
istio:
  - {group: networking.istio.io, resources: [virtualservices, destinationrules]}
kubernetes: []
gatewayapi:
  - {group: gateway.networking.k8s.io, resources: [httproutes, grpcroutes]}
linkerd:
  - {group: gateway.networking.k8s.io, resources: [httproutes, grpcroutes]}
  - {group: split.smi-spec.io, resources: [trafficsplits]}
nginx:
  - {group: networking.k8s.io, resources: [ingresses]}
skipper:
  - {group: networking.k8s.io, resources: [ingresses]}
traefik:
  - {group: traefik.io, resources: [traefikservices]}
contour:
  - {group: projectcontour.io, resources: [httpproxies]}
smi:
  - {group: split.smi-spec.io, resources: [trafficsplits]}
apisix:
  - {group: apisix.apache.org, resources: [apisixroutes]}
gloo:
  - {group: gateway.solo.io, resources: [routetables]}
  - {group: gloo.solo.io, resources: [upstreams]}
kuma:
  - {group: kuma.io, resources: [trafficroutes]}
knative:
  - {group: serving.knative.dev, resources: [services], made: true}
{{- end }}

{{/* Providers whose kinds are needed, in JSON: meshProvider and those of rbac.providers; without the first, all. */}}
{{- define "sluice.providers" -}}
{{- $known := include "sluice.routes" . | fromYaml -}}
{{- $named := .Values.rbac.providers -}}
{{- if .Values.meshProvider -}}
{{- $named = append $named .Values.meshProvider -}}
{{- else -}}
{{- $named = keys $known -}}
{{- end -}}
{{- $short := list -}}
{{- range $named -}}
{{- $short = append $short (regexReplaceAll ":.*$" . "") -}}
{{- end -}}
{{ $short | uniq | sortAlpha | toJson }}
{{- end }}

{{/* Rules for routes: of all providers that are needed, each kind once. */}}
{{- define "sluice.routeRules" -}}
{{- $known := include "sluice.routes" . | fromYaml -}}
{{- $seen := dict -}}
{{- range include "sluice.providers" . | fromJsonArray -}}
{{- range get $known . -}}
{{- if not (hasKey $seen .group) }}
{{- $_ := set $seen .group true }}
- apiGroups: [{{ .group }}]
  resources: {{ .resources | toJson }}
  verbs: [get, list, watch{{ if not .made }}, create{{ end }}, patch{{ if not .made }}, delete{{ end }}]
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Rules that every provider needs. Objects are written by server-side apply, which takes create and patch, and
deleted by the cluster together with the Canary that owns them. The operator deletes what a spec no longer calls for (Services of the
two sides, autoscalers, routes), copies that have to follow their originals (budgets and configs), Jobs that wait for what never comes, and an Analysis of Keptn's that has answered. The definition of
Canaries and Namespaces are in no namespace, and leases of other operators in others: an operator of one namespace does without them. */}}
{{- define "sluice.rules" -}}
- apiGroups: [flagger.app]
  resources: [canaries]
  verbs: [get, list, watch, patch]
- apiGroups: [flagger.app]
  resources: [canaries/status]
  verbs: [patch]
- apiGroups: [flagger.app]
  resources: [canaries/finalizers]
  verbs: [update]
- apiGroups: [flagger.app]
  resources: [alertproviders, metrictemplates]
  verbs: [get, list, watch]
- apiGroups: [flagger.app]
  resources: [canaryruns]
  verbs: [list, create, delete]
{{- if not .Values.namespace }}
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  resourceNames: [canaries.flagger.app]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get, list, watch]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [flagger-leader-election]
  verbs: [list]
{{- end }}
- apiGroups: [apps]
  resources: [deployments, daemonsets]
  verbs: [get, list, watch, create, update, patch]
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [keda.sh]
  resources: [scaledobjects]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
- apiGroups: [apps]
  resources: [replicasets, controllerrevisions]
  verbs: [list]
{{- if .Values.configTracking.enabled }}
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
{{- if .Values.rbac.secrets }}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get{{ if .Values.configTracking.enabled }}, list, watch, create, patch, delete{{ end }}]
{{- end }}
{{- if .Values.rbac.jobs }}
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, create, delete]
{{- end }}
{{- if .Values.rbac.podLogs }}
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
{{- end }}
{{- if .Values.rbac.keptn }}
- apiGroups: [metrics.keptn.sh]
  resources: [keptnmetrics]
  verbs: [get]
- apiGroups: [metrics.keptn.sh]
  resources: [analyses]
  verbs: [get, create, delete]
{{- end }}
- apiGroups: [external.metrics.k8s.io]
  resources: ["*"]
  verbs: [get, list]
- apiGroups: ["", events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
