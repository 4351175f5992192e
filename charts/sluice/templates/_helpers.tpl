{{/* The names of objects are those of the release, with the chart's name in them. */}}
{{- define "sluice.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "sluice.fullname" -}}
{{- $name := include "sluice.name" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "sluice.account" -}}
{{ default (ternary (include "sluice.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- end }}

{{/* What tells this release's pods. */}}
{{- define "sluice.selector" -}}
app.kubernetes.io/name: {{ include "sluice.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sluice.labels" -}}
{{ include "sluice.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- end }}

{{- define "sluice.prometheus" -}}
{{ printf "%s-prometheus" (include "sluice.fullname" . | trunc 52) }}
{{- end }}

{{/* The lease is in the namespace that is watched, if it is one. */}}
{{- define "sluice.leaseNamespace" -}}
{{ default .Release.Namespace .Values.namespace }}
{{- end }}

{{/* An operator that is told what to follow has a lease of its own, whose name the operator makes of its flags in the same way. */}}
{{- define "sluice.lease" -}}
flagger-leader-election
{{- if or .Values.watchNamespaces .Values.watchLabelSelector -}}
-{{ printf "%s\n%s" .Values.watchLabelSelector .Values.watchNamespaces | sha256sum | trunc 8 }}
{{- end -}}
{{- end }}

{{/* The other chart's form {enabled, context} of the pod's security context is understood, too. */}}
{{- define "sluice.podSecurityContext" -}}
{{- $own := omit .Values.podSecurityContext "enabled" "context" -}}
{{- if ne (toString .Values.podSecurityContext.enabled) "false" -}}
{{- toYaml (.Values.podSecurityContext.context | default $own) -}}
{{- end -}}
{{- end }}

{{/* What affinities that are written for the other chart ask for. */}}
{{- define "flagger.name" -}}
{{ include "sluice.name" . }}
{{- end }}

{{- define "flagger.fullname" -}}
{{ include "sluice.fullname" . }}
{{- end }}
