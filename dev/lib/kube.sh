# shellcheck shell=bash
# etcd and kube-apiserver of one instance. Needs common.sh, process.sh, ports.sh,
# control_plane_bin, and run: the folder of the instance.

kube_users=(admin alice bob nobody)

# kube_certificates: a CA, the server's certificate, an administrator's client
# certificate, and the key that signs service account tokens. Made once per instance.
kube_certificates() {
  local pki=$run/pki
  [[ -e $pki/done ]] && return 0
  (umask 077 && mkdir -p "$pki")
  kube_make_certificates "$pki" >"$run/openssl.log" 2>&1 ||
    { tail_of "$run/openssl.log"; die "the certificates could not be made"; }
  touch "$pki/done"
}

# Elliptic keys: they are made in a millisecond, RSA keys in some hundred.
kube_make_certificates() (
  set -e
  cd "$1"
  new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }
  sign() { # NAME SUBJECT EXTENSION...
    local name=$1 subject=$2
    shift 2
    printf '%s\n' "$@" >"$name.ext"
    new_key "$name.key"
    openssl req -new -key "$name.key" -subj "$subject" -out "$name.csr"
    openssl x509 -req -in "$name.csr" -CA ca.crt -CAkey ca.key -days 365 \
      -set_serial "0x$(openssl rand -hex 8)" -extfile "$name.ext" -out "$name.crt"
  }
  new_key ca.key
  openssl req -x509 -new -key ca.key -subj "/CN=rls-operator test CA" -days 365 -out ca.crt \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"
  sign server "/CN=kube-apiserver" \
    "basicConstraints=CA:FALSE" "keyUsage=digitalSignature" "extendedKeyUsage=serverAuth" \
    "subjectAltName=DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:10.96.0.1"
  sign admin "/O=system:masters/CN=admin-certificate" \
    "basicConstraints=CA:FALSE" "keyUsage=digitalSignature" "extendedKeyUsage=clientAuth"
  new_key service-accounts.key
  openssl pkey -in service-accounts.key -pubout -out service-accounts.pub
)

# kube_tokens: tokens.csv and a kubeconfig for every user.
kube_tokens() {
  local user token group
  if [[ ! -e $run/tokens.csv ]]; then
    (
      umask 077
      for user in "${kube_users[@]}"; do
        group=
        [[ $user == admin ]] && group=system:masters
        printf '%s,%s,uid-%s,"%s"\n' "$(openssl rand -hex 24)" "$user" "$user" "$group"
      done >"$run/tokens.new"
      mv "$run/tokens.new" "$run/tokens.csv"
    )
  fi
  for user in "${kube_users[@]}"; do
    token=$(awk -F, -v u="$user" '$2 == u { print $1 }' "$run/tokens.csv")
    kube_config "$user" "token: $token" >"$run/$user.kubeconfig"
  done
  kube_config admin-certificate "client-certificate-data: $(base64 -w0 <"$run/pki/admin.crt")
    client-key-data: $(base64 -w0 <"$run/pki/admin.key")" >"$run/admin-certificate.kubeconfig"
  chmod 600 "$run"/*.kubeconfig
}

# kube_config USER CREDENTIAL [NAMESPACE]: prints a kubeconfig that needs no other file.
kube_config() {
  cat <<END
apiVersion: v1
kind: Config
clusters:
- name: $name
  cluster:
    server: https://127.0.0.1:$kube_port
    certificate-authority-data: $(base64 -w0 <"$run/pki/ca.crt")
users:
- name: $1
  user:
    $2
contexts:
- name: $name
  context: {cluster: $name, user: $1, namespace: ${3:-default}}
current-context: $name
END
}

etcd_start() {
  # A test cluster may lose its data when the machine dies: no fsync.
  launch "$run/etcd.pid" "$run/etcd.log" \
    "$control_plane_bin/etcd" \
    "--data-dir=$run/etcd" \
    "--name=$name" \
    "--listen-client-urls=http://127.0.0.1:$etcd_port" \
    "--advertise-client-urls=http://127.0.0.1:$etcd_port" \
    "--listen-peer-urls=http://127.0.0.1:$etcd_peer_port" \
    "--initial-advertise-peer-urls=http://127.0.0.1:$etcd_peer_port" \
    "--initial-cluster=$name=http://127.0.0.1:$etcd_peer_port" \
    --unsafe-no-fsync \
    --log-level=warn
}

kube_start() {
  # No controller manager runs, so nobody would make the service account of a Pod or
  # fill in endpoints: the admission plugin and the reconciler that need it are off.
  launch "$run/kube-apiserver.pid" "$run/kube-apiserver.log" \
    "$control_plane_bin/kube-apiserver" \
    "--token-auth-file=$run/tokens.csv" \
    "--etcd-servers=http://127.0.0.1:$etcd_port" \
    --bind-address=127.0.0.1 \
    --advertise-address=127.0.0.1 \
    "--secure-port=$kube_port" \
    --endpoint-reconciler-type=none \
    "--cert-dir=$run/pki" \
    "--tls-cert-file=$run/pki/server.crt" \
    "--tls-private-key-file=$run/pki/server.key" \
    "--client-ca-file=$run/pki/ca.crt" \
    --authorization-mode=RBAC \
    --disable-admission-plugins=ServiceAccount \
    --service-account-issuer=https://kubernetes.default.svc \
    "--service-account-key-file=$run/pki/service-accounts.pub" \
    "--service-account-signing-key-file=$run/pki/service-accounts.key" \
    --service-cluster-ip-range=10.96.0.0/24 \
    --allow-privileged=true \
    --profiling=false
}

# kubectl_admin ARGUMENTS...
kubectl_admin() {
  "$control_plane_bin/kubectl" --kubeconfig "$run/admin.kubeconfig" "$@"
}

etcd_ready() { port_listened "$etcd_port"; }
# /readyz answers only after RBAC's own roles are there.
kube_ready() {
  port_listened "$kube_port" && kubectl_admin --request-timeout=5s get --raw /readyz >/dev/null 2>&1
}
