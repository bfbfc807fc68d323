{{- define "godwit.name" -}}
{{- printf "%s" .Release.Name | trunc 48 | trimSuffix "-" -}}
{{- end -}}

{{- define "godwit.labels" -}}
app.kubernetes.io/name: godwit
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* Of one role: (dict "root" . "role" "api") */}}
{{- define "godwit.selector" -}}
app.kubernetes.io/name: godwit
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end -}}

{{- define "godwit.image" -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}

{{- define "godwit.agentImage" -}}
{{- printf "%s:%s" .Values.image.agentRepository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}

{{- define "godwit.passfile" -}}
{{- $separator := ternary "&" "?" (contains "?" .Values.database.url) -}}
{{- printf "%s%spassfile=/run/godwit/private/pgpass" .Values.database.url $separator -}}
{{- end -}}

{{/* The configuration of api and conductor: what the chart knows, under what the values say. */}}
{{- define "godwit.config" -}}
{{- $conductor := dict
      "metrics" "0.0.0.0:9775"
      "tls" (dict
        "ca" "/run/godwit/tls/ca.pem"
        "cert" "/run/godwit/tls/tls.pem"
        "key" "/run/godwit/tls/tls.key") -}}
{{- $api := dict "listen" "0.0.0.0:8774" "metrics" "0.0.0.0:9774" -}}
{{- $auth := dict -}}
{{- if .Values.keystone.secret -}}
{{- $auth = dict "keystone" (dict "password_file" "/run/godwit/keystone/password") -}}
{{- end -}}
{{- $config := dict
      "database" (dict "url" (include "godwit.passfile" .) "pool_size" .Values.database.poolSize)
      "api" (mergeOverwrite $api (deepCopy .Values.config.api))
      "conductor" (mergeOverwrite $conductor (deepCopy .Values.config.conductor))
      "auth" (mergeOverwrite $auth (deepCopy .Values.config.auth))
      "policy" .Values.config.policy
      "log" .Values.config.log -}}
{{- toYaml $config -}}
{{- end -}}

{{/* Not root, nothing but what is mounted, no capabilities. */}}
{{- define "godwit.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "godwit.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* libpq ignores a password file that a group may read, and that is how secrets are mounted. */}}
{{- define "godwit.passfileInit" -}}
- name: passfile
  image: {{ include "godwit.image" . }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [install, --mode=0600, /run/godwit/database/pgpass, /run/godwit/private/pgpass]
  securityContext: {{- include "godwit.containerSecurity" . | nindent 4 }}
  volumeMounts:
    - {name: database, mountPath: /run/godwit/database, readOnly: true}
    - {name: private, mountPath: /run/godwit/private}
{{- end -}}

{{- define "godwit.commonMounts" -}}
- {name: config, mountPath: /etc/godwit, readOnly: true}
- {name: database, mountPath: /run/godwit/database, readOnly: true}
- {name: private, mountPath: /run/godwit/private, readOnly: true}
{{- end -}}

{{- define "godwit.commonVolumes" -}}
- name: config
  configMap: {name: {{ include "godwit.name" . }}}
- name: database
  secret: {secretName: {{ .Values.database.secret }}}
- name: private
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
{{- end -}}

{{/* Live as long as it answers; ready when the database does too. */}}
{{- define "godwit.probes" -}}
startupProbe:
  httpGet: {path: /healthz/live, port: metrics}
  periodSeconds: 2
  failureThreshold: 30
livenessProbe:
  httpGet: {path: /healthz/live, port: metrics}
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: /healthz/ready, port: metrics}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end -}}
