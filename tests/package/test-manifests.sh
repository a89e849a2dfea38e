#!/usr/bin/env bash
# manifests/ on a genuine API server.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
manifests=$checkout/manifests
system=rls-operator-system

installed() { kubectl apply --kustomize "$manifests" >applied; }

test_applied_twice_the_second_changes_nothing() {
  installed
  installed
  same "$(grep -v ' unchanged$' applied || true)" ""
  same "$(kubectl --namespace "$system" get deployment,service,serviceaccount --output name)" \
    "deployment.apps/rls-operator
service/rls-operator-metrics
serviceaccount/rls-operator"
}
test_no_warnings() {
  same "$(kubectl apply --dry-run=server --kustomize "$manifests" 2>&1 | grep -i warning || true)" ""
}
test_the_namespace_admits_its_pod_and_no_laxer_one() {
  installed
  same "$(kubectl get namespace "$system" --output 'jsonpath={.metadata.labels.pod-security\.kubernetes\.io/enforce}')" restricted
  admits rls-operator "$system"
}
test_the_service_and_its_port_find_the_pod() {
  installed
  local selector
  selector=$(kubectl --namespace "$system" get service rls-operator-metrics --output 'jsonpath={.spec.selector}')
  same "$selector" "$(kubectl --namespace "$system" get deployment rls-operator --output 'jsonpath={.spec.template.metadata.labels}')"
  same "$(kubectl --namespace "$system" get service rls-operator-metrics --output 'jsonpath={.spec.ports[0].targetPort}')" \
    "$(kubectl --namespace "$system" get deployment rls-operator --output 'jsonpath={.spec.template.spec.containers[0].ports[0].name}')"
}
test_every_flag_is_one_of_the_operator() {
  local flag
  for flag in $(grep -ohE '^ +- --[a-z-]+' "$manifests/operator/deployment.yaml" "$chart/templates/deployment.yaml" | sed 's/.*- --//'); do
    grep -q "\"$flag\"" "$checkout/controller/app/options.cpp" || fail "the operator has no flag --$flag"
  done
}
test_the_image_is_that_of_this_version() {
  local version
  version=$(sed -n 's/^project(rls-operator VERSION \([0-9.]*\).*/\1/p' "$checkout/CMakeLists.txt")
  grep -q "image: rls-operator:$version\$" "$manifests/operator/deployment.yaml"
  grep -q "^version: $version\$" "$chart/Chart.yaml"
  grep -q "^appVersion: $version\$" "$chart/Chart.yaml"
}
# The Prometheus Operator is not here: its kinds are, without their schema.
test_monitoring_applies() {
  monitoring_kinds
  installed
  kubectl apply --kustomize "$manifests/monitoring" >/dev/null
  kubectl --namespace "$system" get prometheusrules,servicemonitors --output name
  kubectl delete --kustomize "$manifests/monitoring" >/dev/null
}
test_the_install_guide_names_existing_files() {
  local file
  for file in $(grep -ohE '\((\.\./)?[a-z0-9/.-]+\.(md|yaml)(#[a-z-]*)?\)' "$checkout"/docs/{install,alerts,approvals}.md | tr -d '()' | sed 's/#.*//'); do
    [[ -e $checkout/docs/$file ]] || fail "there is no $file"
  done
}

status=0
run_tests || status=$?
# The chart's tests install the same. The namespace stays: nobody here empties one that is deleted.
no_crds
kubectl delete --kustomize "$manifests/admission" >/dev/null
kubectl delete --filename "$manifests/rbac/people.yaml" --filename "$manifests/rbac/cluster-role.yaml" >/dev/null
exit "$status"
