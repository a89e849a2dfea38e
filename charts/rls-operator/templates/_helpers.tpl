{{- define "rls-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of every object. A release called rls-operator gives the names of manifests/. */}}
{{- define "rls-operator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 54 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "rls-operator.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 54 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 54 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "rls-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "rls-operator.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "rls-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "rls-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "rls-operator.labels" -}}
{{ include "rls-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "rls-operator.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* What it may do with its own kinds, in the namespaces it works in. The same as manifests/rbac/cluster-role.yaml. */}}
{{- define "rls-operator.rules" -}}
- apiGroups: [rls-operator.dev]
  resources: [rlsapprovals, rlsdatabases, rlsmigrations, rlsrollouts]
  verbs: [get, list, watch]
# The status is written whole (PUT); a patch would not notice that the object was made anew in between.
- apiGroups: [rls-operator.dev]
  resources: [rlsdatabases/status, rlsmigrations/status, rlsrollouts/status]
  verbs: [update]
# An RlsRollout's members that are missing. What is there is never written.
- apiGroups: [rls-operator.dev]
  resources: [rlsmigrations]
  verbs: [create]
# Patch: a repeated Event becomes a series instead of a second Event.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
# Jobs of checks: made, looked at, found by their label, and deleted when no check wants them any more.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [create, get, list, delete]
{{- end -}}

{{/* The uid of kube-system says which cluster this is: part of the claim on a database. */}}
{{- define "rls-operator.identityRule" -}}
- apiGroups: [""]
  resources: [namespaces]
  resourceNames: [kube-system]
  verbs: [get]
{{- end -}}

{{/* Whether approvals can be trusted: the policies of templates/admission.yaml. */}}
{{- define "rls-operator.admissionRule" -}}
- apiGroups: [admissionregistration.k8s.io]
  resources: [validatingadmissionpolicies, validatingadmissionpolicybindings]
  resourceNames: [rls-operator-approvals, rls-operator-overrides, rls-operator-jobs]
  verbs: [get]
{{- end -}}

{{/* The name of what belongs to the cluster; two releases in two namespaces must not share it. */}}
{{- define "rls-operator.globalName" -}}
{{- include "rls-operator.fullname" . }}{{ with .Values.watchNamespace }}-{{ $.Release.Namespace }}{{ end }}
{{- end -}}

{{- define "rls-operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "rls-operator.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}
