#!/usr/bin/env bash
# charts/rls-operator on a genuine API server, with a genuine helm.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
secrets='secretAccess[0].namespace=tenants,secretAccess[0].names={main-db,other-db}'

render() { helm template rls-operator "$chart" --namespace rls-operator-system "$@"; }
kustomized() { kubectl kustomize "$checkout/manifests"; }

# install NAMESPACE HELM-ARGUMENTS...: the release rls-operator, until the test ends.
releases=()
install() {
  releases+=("$1")
  helm install rls-operator "$chart" --namespace "$@"
}
cleanup() {
  local namespace
  for namespace in "${releases[@]}"; do helm uninstall rls-operator --ignore-not-found --namespace "$namespace" >/dev/null 2>&1; done
}

# refuses TEXT HELM-ARGUMENTS...: the chart says TEXT and renders nothing.
refuses() {
  local text=$1
  shift
  fails render "$@"
  shows "$text" render "$@"
}

test_lint() { helm lint --strict "$chart" && helm lint --strict "$chart" --set "$secrets"; }
test_bad_values_are_refused_with_their_reason() {
  refuses "at '/replicas': maximum: got 11, want 10" --set replicas=11
  refuses "replicas: without leader election (config.leaderElect) there may be only one" --set-string config.leaderElect=off
  refuses "at '/logLevel': value must be one of 'debug', 'info', 'warn', 'error'" --set logLevel=loud
  refuses "at '/workers': minimum: got 0, want 1" --set workers=0
  refuses "additional properties 'watchNamespaces' not allowed" --set watchNamespaces=a
  refuses "at '/image': additional properties 'tga' not allowed" --set image.tga=1
  refuses "at '/image/tag': got number, want string" --set-json image.tag=1.0
  refuses "at '/image/digest'" --set image.digest=sha256:abc
  refuses "at '/metrics/projects': got string, want boolean" --set metrics.projects=sometimes
  refuses "at '/admission/enabled': got string, want boolean" --set admission.enabled=sometimes
  refuses "at '/config': additional properties 'worker' not allowed" --set config.worker=1
  refuses "at '/config': additional properties 'namespace' not allowed" --set config.namespace=tenants
  refuses "at '/config/workers': maximum: got 65, want 64" --set config.workers=65
  refuses "at '/config/metricsProjects': value must be one of 'on', 'off'" --set-json config.metricsProjects=true
  refuses "at '/secretAccess/0': missing property 'names'" --set 'secretAccess[0].namespace=tenants'
  refuses "at '/secretAccess/0/names': minItems: got 0, want 1" --set-json 'secretAccess=[{"namespace":"tenants","names":[]}]'
  refuses "at '/secretAccess/0/names/0': '*' does not match" --set-json 'secretAccess=[{"namespace":"tenants","names":["*"]}]'
  refuses "at '/terminationGracePeriodSeconds': minimum" --set terminationGracePeriodSeconds=1
  refuses 'observeInterval must be from 1s to 1h, such as 15s or 1m30s, not "2h"' --set observeInterval=2h
  refuses 'observeInterval must be from 1s to 1h, such as 15s or 1m30s, not "2h"' --set config.observeInterval=2h
  refuses 'namespace "tenants" is named twice' --set "$secrets" --set 'secretAccess[1].namespace=tenants,secretAccess[1].names={x}'
  refuses 'never looks into namespace "tenants", as watchNamespace is "other"' --set "$secrets,watchNamespace=other"
  refuses "the Deployment finds its Pods by it" --set 'podLabels.app\.kubernetes\.io/name=x'
  refuses "say the name of one that exists" --set serviceAccount.create=false
}
test_every_interval_that_the_operator_takes() {
  local interval
  for interval in 1s 15s 90s 3600s 1m 60m 1h 1m30s; do render --set "observeInterval=$interval" >/dev/null; done
  for interval in 0s 3601s 61m 2h 1d 15; do fails render --set-string "observeInterval=$interval"; done
}
test_every_value_has_an_effect() {
  render >default.yaml
  local value
  for value in image.repository=x image.tag=x "image.digest=sha256:$(printf '%064d' 0)" image.pullPolicy=Always \
    'imagePullSecrets[0].name=x' nameOverride=x fullnameOverride=x watchNamespace=x "$secrets" logLevel=debug \
    logFormat=console observeInterval=1m workers=8 installId=x config.workers=8 metrics.projects=false crds.install=false \
    admission.enabled=false admission.install=false serviceAccount.name=x serviceAccount.annotations.a=b rbac.create=false serviceMonitor.enabled=true \
    prometheusRule.enabled=true resources.limits.memory=1Gi terminationGracePeriodSeconds=60 priorityClassName=x \
    nodeSelector.a=b 'tolerations[0].key=a' affinity.nodeAffinity.a=b podLabels.a=b podAnnotations.a=b \
    'volumes[0].name=a' 'volumeMounts[0].name=a,volumeMounts[0].mountPath=/a'; do
    render --set "$value" >changed.yaml
    ! diff -q changed.yaml default.yaml >/dev/null || fail "$value changes nothing"
  done
}
test_the_config_is_a_file_that_the_operator_is_given() {
  cat >values.yaml <<'END'
config: {workers: 8, observeInterval: 1m, metricsProjects: "off"}
podAnnotations: {a: b}
volumes: [{name: db-ca, configMap: {name: db-ca}}]
volumeMounts: [{name: db-ca, mountPath: /etc/db-ca, readOnly: true}]
END
  render --values values.yaml >with.yaml
  same "$(field_of ConfigMap '{.data.config\.yaml}' <with.yaml)" 'metricsProjects: "off"
observeInterval: 1m
workers: 8'
  local pod='{.spec.template.spec'
  # What stands in the file is no flag, which would win.
  same "$(field_of Deployment "$pod.containers[0].args}" <with.yaml | sed 's/"--leader-elect-[^"]*",//g')" \
    '["--log-level=info","--log-format=json","--bind-address=:8080","--config=/etc/rls-operator/config.yaml"]'
  same "$(field_of Deployment "$pod.containers[0].volumeMounts[*].mountPath}" <with.yaml)" "/etc/rls-operator /etc/db-ca"
  same "$(field_of Deployment "$pod.volumes[*].configMap.name}" <with.yaml)" \
    "$(field_of ConfigMap '{.metadata.name}' <with.yaml) db-ca"
  same "$(field_of Deployment '{.spec.template.metadata.annotations.a}' <with.yaml)" b
  same "$(render | field_of ConfigMap '{.metadata.name}')" ""
}
test_another_config_is_another_pod() {
  local template='{.spec.template}' eight
  eight=$(render --set config.workers=8 | field_of Deployment "$template")
  same "$(render --set config.workers=8 | field_of Deployment "$template")" "$eight"
  [[ $(render --set config.workers=9 | field_of Deployment "$template") != "$eight" ]] || fail "the Pod would go on with the old file"
}
# same_field KIND JSONPATH: in the chart as in the manifests, and not nothing, whatever the order of the objects.
same_field() {
  local expected
  expected=$(kustomized | field_of "$1" "$2{\"\\n\"}" | sort)
  [[ -n $expected ]] || fail "nothing at $* of the manifests"
  same "$(render | field_of "$1" "$2{\"\\n\"}" | sort)" "$expected"
}
test_the_same_rights_as_the_manifests() {
  local aggregate='.metadata.labels.rbac\.authorization\.k8s\.io/aggregate-to'
  same_field ClusterRole "{.metadata.name}{.rules}{$aggregate-view} {$aggregate-edit}"
  same_field ClusterRoleBinding '{.metadata.name}{.subjects}{.roleRef}'
  same_field ServiceAccount '{.metadata.namespace}{.metadata.name}'
  same_field Role '{.metadata.namespace}{.metadata.name}{.rules}'
  same_field RoleBinding '{.metadata.namespace}{.metadata.name}{.subjects}{.roleRef}'
}
test_the_same_pod_as_the_manifests() {
  same_field Deployment '{.spec.replicas}{.spec.strategy}{.spec.template.spec}'
  same_field Service '{.metadata.name}{.spec.ports}'
}
test_the_same_definitions_as_in_crds() {
  same_field CustomResourceDefinition '{.metadata.name}{.spec}'
  same "$(render | field_of CustomResourceDefinition '{.metadata.annotations.helm\.sh/resource-policy}{"\n"}' | sort -u)" keep
}
# Labels, too: each change of a policy makes what was approved before it worthless.
test_the_same_policies_as_the_manifests() {
  same_field ValidatingAdmissionPolicy '{.metadata}{.spec}'
  same_field ValidatingAdmissionPolicyBinding '{.metadata}{.spec}'
  local value
  for value in admission.enabled admission.install; do
    same "$(render --set "$value=false" | field_of ValidatingAdmissionPolicy '{.metadata.name}')" ""
  done
}
test_the_same_alerts_as_in_metrics() {
  render --set prometheusRule.enabled=true --show-only templates/prometheus-rule.yaml | sed '1,/^spec:/d; s/ *$//' >chart.yaml
  "$checkout/dev/prometheus-rule" | sed '1,/^spec:/d' | diff - chart.yaml
  render --set prometheusRule.enabled=true,prometheusRule.runbook=https://example.com/alerts.md >linked.yaml
  grep -q 'runbook_url: https://example.com/alerts.md#rlsdrift$' linked.yaml
}
test_the_archive_holds_what_the_links_point_to() {
  helm package "$chart" >/dev/null
  tar -xzf rls-operator-*.tgz
  same "$(find rls-operator -type l)" ""
  diff -r "$checkout/metrics/rules/rls-operator.rules.yaml" rls-operator/files/rls-operator.rules.yaml
  local definition
  for definition in "$checkout"/crds/*.yaml; do diff "$definition" "rls-operator/files/crds/${definition##*/}"; done
  diff "$checkout/manifests/admission/approvals.yaml" rls-operator/files/admission/approvals.yaml
  diff "$checkout/manifests/rbac/people.yaml" rls-operator/files/people.yaml
}
policies() {
  kubectl get validatingadmissionpolicies,validatingadmissionpolicybindings --selector app.kubernetes.io/name=rls-operator \
    --output 'jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.resourceVersion}{"\n"}{end}'
}
test_a_release_from_install_to_uninstall() {
  no_crds
  namespace tenants
  namespace life
  install life --set "$secrets" >notes
  grep -q "tenants: main-db, other-db" notes
  same "$(kubectl --namespace life get deployment,service,serviceaccount --selector app.kubernetes.io/instance=rls-operator --output name)" \
    "deployment.apps/rls-operator
service/rls-operator-metrics
serviceaccount/rls-operator"
  admits rls-operator life

  local me=life/rls-operator
  can yes $me watch rlsmigrations --all-namespaces
  can yes $me update rlsmigrations --subresource status --namespace tenants
  can no $me update rlsmigrations --namespace tenants
  can yes $me get secrets/main-db --namespace tenants
  can yes $me get namespaces/kube-system
  can yes $me get validatingadmissionpolicybindings/rls-operator-approvals
  can no $me create rlsapprovals --namespace tenants
  can no $me get secrets/third-db --namespace tenants
  can no $me list secrets --namespace tenants
  can no $me get secrets/main-db --namespace life
  can no $me delete rlsmigrations --namespace tenants

  # What people made stays through upgrade and uninstall, and an upgrade touches no policy that is the same.
  local before
  before=$(policies)
  kubectl apply --filename "$checkout/manifests/samples/tenants/database.yaml" >/dev/null
  helm upgrade rls-operator "$chart" --namespace life --reset-values \
    --set logLevel=debug,metrics.projects=false,config.workers=8 >/dev/null
  admits rls-operator life
  same "$(policies)" "$before"
  can no $me get secrets/main-db --namespace tenants
  kubectl --namespace life get deployment rls-operator --output 'jsonpath={.spec.template.spec.containers[0].args}' >arguments
  grep -q -- '"--log-level=debug"' arguments && grep -q -- '"--metrics-projects=off"' arguments

  helm uninstall rls-operator --namespace life >/dev/null
  same "$(kubectl --namespace life get deployment,service,serviceaccount --selector app.kubernetes.io/instance=rls-operator --output name)" ""
  same "$(kubectl get clusterrole,clusterrolebinding,role,rolebinding --all-namespaces --selector app.kubernetes.io/instance=rls-operator --output name)" ""
  same "$(policies)" ""
  kubectl --namespace tenants get rlsdatabase main >/dev/null

  # And once more: the release takes its definitions up again.
  install life >/dev/null
  kubectl --namespace tenants get rlsdatabase main >/dev/null
}
test_an_upgrade_brings_the_new_definitions() {
  no_crds
  namespace newer
  install newer >/dev/null
  helm package "$chart" >/dev/null
  tar -xzf rls-operator-*.tgz
  sed -i 's/^version: .*/version: 99.0.0/' rls-operator/Chart.yaml
  sed -i 's/description: When this object was created/description: When it was made/' rls-operator/files/crds/*.yaml
  helm upgrade rls-operator rls-operator --namespace newer >/dev/null
  local column='{.spec.versions[0].additionalPrinterColumns[?(@.name=="Age")].description}'
  same "$(kubectl get crd rlsmigrations.rls-operator.dev --output "jsonpath=$column")" "When it was made"
}
test_one_namespace_alone() {
  no_crds
  namespace alone
  namespace watched
  install alone --set watchNamespace=watched,installId=one,admission.enabled=false \
    --set 'secretAccess[0].namespace=watched,secretAccess[0].names={main-db}' >/dev/null
  same "$(kubectl get clusterrole,clusterrolebinding --selector app.kubernetes.io/instance=rls-operator --output name)" ""
  local me=alone/rls-operator
  can yes $me watch rlsdatabases --namespace watched
  can yes $me get secrets/main-db --namespace watched
  can no $me watch rlsdatabases --namespace default
  can no $me get namespaces/kube-system
  kubectl --namespace alone get deployment rls-operator --output 'jsonpath={.spec.template.spec.containers[0].args}' >arguments
  grep -q '"--namespace=watched","--install-id=one"' arguments

  # A second one beside it, for another namespace.
  namespace alone-2
  namespace watched-2
  install alone-2 --set watchNamespace=watched-2,crds.install=false,admission.install=false >/dev/null
  can yes alone-2/rls-operator get namespaces/kube-system
  can yes alone-2/rls-operator get validatingadmissionpolicies/rls-operator-jobs
  can no alone-2/rls-operator watch rlsdatabases --namespace watched
}
test_definitions_of_kubectl_are_not_taken_over_silently() {
  no_crds
  namespace beside
  kubectl apply --server-side --kustomize "$checkout/crds" >/dev/null
  shows "cannot be imported into the current release" install beside
  install beside --set crds.install=false >/dev/null
}
test_monitoring_installs() {
  namespace watcher
  monitoring_kinds
  install watcher --set crds.install=false \
    --set serviceMonitor.enabled=true,serviceMonitor.labels.release=kps,prometheusRule.enabled=true >/dev/null
  same "$(kubectl --namespace watcher get servicemonitors --selector release=kps --output name)" \
    servicemonitor.monitoring.coreos.com/rls-operator
  same "$(kubectl --namespace watcher get prometheusrule rls-operator --output 'jsonpath={.spec.groups[*].name}')" \
    "rls-operator.projects rls-operator.databases rls-operator.operator"
}

run_tests
