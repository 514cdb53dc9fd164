{{- define "isheep.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "isheep.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "isheep.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "isheep.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- /* Two releases of one name in two namespaces must not meet where there are no namespaces. */}}
{{- define "isheep.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "isheep.fullname" .) -}}
{{- end }}

{{- define "isheep.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "isheep.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end }}

{{- define "isheep.selectorLabels" -}}
app.kubernetes.io/name: {{ include "isheep.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "isheep.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "isheep.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- /* Of (image, chart): its reference. A tag beside a digest is for readers; without, it is the chart's. */}}
{{- define "isheep.image" -}}
{{- $image := index . 0 -}}
{{- $image.repository -}}
{{- with or $image.tag (and (not $image.digest) (index . 1).AppVersion) }}:{{ . }}{{ end -}}
{{- with $image.digest }}@{{ . }}{{ end -}}
{{- end }}
