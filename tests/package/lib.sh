# shellcheck shell=bash
# For the tests of what is shipped. Needs the API server and helm that dev/test package gives.
source "$(dirname "${BASH_SOURCE[0]}")/../dev/lib.sh"
# shellcheck disable=SC2034 # used by those who source this
chart=$checkout/charts/rls-operator

[[ -n ${KUBECONFIG:-} && -n ${RLS_KUBECTL:-} && -n ${RLS_HELM:-} ]] ||
  fail "run these with: dev/test package (KUBECONFIG, RLS_KUBECTL and RLS_HELM are not set)"

kubectl() { "$RLS_KUBECTL" "$@"; }

# Nothing of helm's own configuration, repositories and plugins.
helm() {
  HELM_CACHE_HOME=$scratch/helm HELM_CONFIG_HOME=$scratch/helm HELM_DATA_HOME=$scratch/helm "$RLS_HELM" "$@" \
    2> >(grep -v 'found symbolic link' >&2)
}

# field_of KIND JSONPATH: of each object of that kind in the manifest on stdin, as the API server would read it.
field_of() {
  awk -v kind="$1" '
    function flush() { if (doc ~ "(^|\n)kind: " kind "\n") printf "---\n%s", doc; doc = "" }
    /^---/ { flush(); next } { doc = doc $0 "\n" } END { flush() }' |
    kubectl create --dry-run=client --output "jsonpath=$2" --filename -
}

# namespace NAME: one where the API server admits Pods of the standard "restricted" alone.
namespace() {
  kubectl create namespace "$1" --dry-run=client --output yaml | kubectl apply --filename - >/dev/null
  kubectl label --overwrite namespace "$1" pod-security.kubernetes.io/enforce=restricted >/dev/null
}

# no_crds: the API server forgets our kinds, and with them every object of theirs.
# Asked for, not waited for by kubectl: its wait sometimes goes on for minutes after they are gone.
no_crds() {
  local tries left
  kubectl delete --ignore-not-found --filename "$checkout/crds" --wait=false >/dev/null
  for ((tries = 1; tries <= 3000; tries++)); do
    left=$(kubectl get --ignore-not-found --filename "$checkout/crds" --output name)
    [[ -n $left ]] || return 0
    # The server's own cleaning pauses longer each time it is disturbed; a change makes it look at once.
    # shellcheck disable=SC2086 # names without blanks
    ((tries % 30)) || kubectl annotate --overwrite $left nudge="$tries" >/dev/null 2>&1 || true
    sleep 0.1
  done
  fail "the CRDs are still there after minutes"
}

# can YES-OR-NO ACCOUNT VERB RESOURCE...: may the service account NAMESPACE/NAME? A role that was given or taken
# a moment ago is waited for.
can() {
  local answer tries
  for ((tries = 0; tries < 300; tries++)); do
    answer=$(kubectl auth can-i --as "system:serviceaccount:${2/\//:}" "${@:3}" 2>/dev/null) || true
    [[ $answer != "$1" ]] || return 0
    sleep 0.1
  done
  fail "may $2 ${*:3}: expected $1, got $answer"
}

# monitoring_kinds: the API server knows the kinds of the Prometheus Operator.
monitoring_kinds() {
  local tries
  bash "$checkout/tests/package/monitoring-kinds" | kubectl apply --filename - >/dev/null
  kubectl wait --for=condition=Established --timeout=120s \
    crd/prometheusrules.monitoring.coreos.com crd/servicemonitors.monitoring.coreos.com >/dev/null
  # They are found a moment later.
  for ((tries = 0; tries < 300; tries++)); do
    ! kubectl get prometheusrules,servicemonitors >/dev/null 2>&1 || return 0
    sleep 0.1
  done
  fail "the kinds of the Prometheus Operator are not served"
}

# pod_of DEPLOYMENT NAMESPACE [SED-SCRIPT]: the Pod of a Deployment's template, as JSON; nobody makes Pods of
# Deployments here, so the tests do.
pod_of() {
  local spec
  spec=$(kubectl get deployment "$1" --namespace "$2" --output 'jsonpath={.spec.template.spec}' | sed "${3:-}")
  echo '{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "try", "namespace": "'"$2"'"}, "spec": '"$spec"'}'
}

# admits DEPLOYMENT NAMESPACE: the API server admits the Deployment's Pod, and would refuse a laxer one.
admits() {
  local lax
  pod_of "$1" "$2" | kubectl apply --dry-run=server --filename - >/dev/null
  for lax in 's/"runAsNonRoot":true/"runAsNonRoot":false/' 's/"allowPrivilegeEscalation":false/"allowPrivilegeEscalation":true/' \
    's/"drop":\["ALL"\]/"drop":["CHOWN"]/' 's/"RuntimeDefault"/"Unconfined"/'; do
    pod_of "$1" "$2" "$lax" >lax.json
    shows 'violates PodSecurity "restricted' kubectl apply --dry-run=server --filename lax.json
  done
  same "$(kubectl get deployment "$1" --namespace "$2" \
    --output 'jsonpath={.spec.template.spec.containers[0].securityContext.readOnlyRootFilesystem}')" true
}
