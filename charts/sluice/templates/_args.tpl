{{/* Secrets of the page, by the folders that they are in. */}}
{{- define "sluice.consoleSecrets" -}}
{{- $secrets := dict -}}
{{- if .Values.console.enabled -}}
{{- with .Values.console.tlsSecret }}{{ $_ := set $secrets "console-tls" . }}{{ end -}}
{{- with .Values.console.keySecret }}{{ $_ := set $secrets "console-key" . }}{{ end -}}
{{- end -}}
{{- toJson $secrets -}}
{{- end }}

{{/* The operator's flags: only those that somebody has set, so that its own defaults stay the only ones. */}}
{{- define "sluice.args" -}}
{{- $metrics := .Values.metricsServer -}}
{{- if and (not $metrics) .Values.prometheus.install -}}
{{- $metrics = printf "http://%s.%s:9090" (include "sluice.prometheus" .) .Release.Namespace -}}
{{- end -}}
{{- /* Controllers at the edge take changes in later than a mesh does. */ -}}
{{- $settle := .Values.settle | default (get (dict "nginx" "5s" "skipper" "5s" "traefik" "5s" "knative" "10s") .Values.meshProvider) -}}
{{- $flags := list
  (list "log-level" .Values.logLevel)
  (list "zap-encoding" .Values.zapEncoding)
  (list "mesh-provider" .Values.meshProvider)
  (list "metrics-server" $metrics)
  (list "namespace" .Values.namespace)
  (list "watch-namespaces" .Values.watchNamespaces)
  (list "watch-label-selector" .Values.watchLabelSelector)
  (list "selector-labels" .Values.selectorLabels)
  (list "include-label-prefix" .Values.includeLabelPrefix)
  (list "ingress-annotations-prefix" .Values.ingressAnnotationsPrefix)
  (list "ingress-class" .Values.ingressClass)
  (list "settle" $settle)
  (list "allow-addresses" .Values.allowAddresses)
  (list "cluster-domain" .Values.clusterDomain)
  (list "control-loop-interval" .Values.controlLoopInterval)
  (list "threadiness" .Values.threadiness)
  (list "kubeconfig-qps" .Values.kubeconfigQPS)
  (list "kubeconfig-burst" .Values.kubeconfigBurst)
  (list "cluster-name" .Values.clusterName)
  (list "console-url" .Values.consoleURL)
  (list "run-records-total" .Values.runRecordsTotal)
  (list "event-webhook" .Values.eventWebhook)
  (list "slack-user" .Values.slack.user)
  (list "slack-channel" .Values.slack.channel)
  (list "slack-url" .Values.slack.url)
  (list "slack-proxy-url" .Values.slack.proxyUrl)
  (list "msteams-url" .Values.msteams.url)
  (list "msteams-proxy-url" .Values.msteams.proxyUrl)
-}}
{{- range $flags }}
{{- if index . 1 }}
- {{ printf "-%s=%v" (index . 0) (index . 1) | quote }}
{{- end }}
{{- end }}
- {{ printf "-enable-config-tracking=%t" .Values.configTracking.enabled | quote }}
{{- if .Values.noCrossNamespaceRefs }}
- "-no-cross-namespace-refs=true"
{{- end }}
{{- if .Values.restrictHosts }}
- "-restrict-hosts=true"
{{- end }}
{{- if .Values.restrictJobs }}
- "-restrict-jobs=true"
{{- end }}
{{- if eq (toString .Values.allowAmbientCredentials) "false" }}
- "-allow-ambient-credentials=false"
{{- end }}
{{- if .Values.leaderElection.enabled }}
- "-enable-leader-election=true"
- {{ printf "-leader-election-namespace=%s" (include "sluice.leaseNamespace" .) | quote }}
{{- end }}
{{- with .Values.console }}
{{- if .enabled }}
- "-console-address=:9443"
- {{ printf "-console-mode=%s" .mode | quote }}
{{- if .basePath }}
- {{ printf "-console-base-path=%s" .basePath | quote }}
{{- end }}
{{- if .tlsSecret }}
- "-console-tls-cert-file=/etc/sluice/console-tls/tls.crt"
- "-console-tls-key-file=/etc/sluice/console-tls/tls.key"
{{- end }}
{{- if .keySecret }}
- "-console-key-file=/etc/sluice/console-key/key"
{{- end }}
{{- if $.Values.actionPolicies }}
- "-action-policies=true"
{{- end }}
{{- range .args }}
- {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- /* The operator would not start with the flag that this stands for, and leaving it out would write to another cluster. */ -}}
{{- with .Values.controlplane.kubeconfig.secretName }}
{{- fail (printf "controlplane.kubeconfig.secretName is %q: routes in another cluster than the operator's are not supported, and ignoring it would write them to this one; leave it empty and install the operator in the cluster whose API server has the routes" .) }}
{{- end }}
{{- end }}
