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

{{- /* Names of cluster-wide objects contain the namespace, so that two releases with one name do not conflict. */}}
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

{{- /* The reference of (image, chart). Without tag and digest, the tag is the appVersion of the chart. */}}
{{- define "isheep.image" -}}
{{- $image := index . 0 -}}
{{- $image.repository -}}
{{- with or $image.tag (and (not $image.digest) (index . 1).AppVersion) }}:{{ . }}{{ end -}}
{{- with $image.digest }}@{{ . }}{{ end -}}
{{- end }}

{{- /* The affinity of the operator's pods. Several of them prefer different nodes, unless the values have a podAntiAffinity. */}}
{{- define "isheep.affinity" -}}
{{- $affinity := deepCopy .Values.affinity -}}
{{- if and (gt (int .Values.replicas) 1) (not (hasKey $affinity "podAntiAffinity")) -}}
{{- $selector := dict "matchLabels" (include "isheep.selectorLabels" . | fromYaml) -}}
{{- $term := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" $selector -}}
{{- $preferred := list (dict "weight" 100 "podAffinityTerm" $term) -}}
{{- $_ := set $affinity "podAntiAffinity" (dict "preferredDuringSchedulingIgnoredDuringExecution" $preferred) -}}
{{- end -}}
{{- toYaml $affinity -}}
{{- end }}
