{{/* The name is also the host that webhooks call. */}}
{{- define "loadtester.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "loadtester.fullname" -}}
{{- $name := include "loadtester.name" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "loadtester.account" -}}
{{ default (include "loadtester.fullname" .) .Values.serviceAccountName }}
{{- end }}

{{- define "loadtester.gates" -}}
{{ include "loadtester.fullname" . }}-gates
{{- end }}

{{/* What tells this release's pods. */}}
{{- define "loadtester.selector" -}}
app.kubernetes.io/name: {{ include "loadtester.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "loadtester.labels" -}}
{{ include "loadtester.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- end }}

{{/* The other chart's form {enabled, context} of the pod's security context is understood, too. */}}
{{- define "loadtester.podSecurityContext" -}}
{{- $own := omit .Values.podSecurityContext "enabled" "context" -}}
{{- if ne (toString .Values.podSecurityContext.enabled) "false" -}}
{{- toYaml (.Values.podSecurityContext.context | default $own) -}}
{{- end -}}
{{- end }}
