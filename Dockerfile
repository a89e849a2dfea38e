# The image of the operator; dev/image builds and checks it. Any builder does that knows `RUN --mount`: BuildKit,
# podman, buildah.
ARG BUILD_BASE=debian:bookworm
ARG RUNTIME_BASE=debian:bookworm-slim

# ---- build ------------------------------------------------------------------------------------------------
FROM ${BUILD_BASE} AS build
WORKDIR /src

# The list of packages is that of dev/install, so that there is one.
COPY dev/install dev/install
COPY dev/lib/common.sh dev/lib/common.sh
RUN dev/install build --yes && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb

# All that .dockerignore lets through. Few steps: some builders keep a whole copy of the file system for each.
COPY . .
# /out/packages: those that hold the libraries which the program is linked with, directly or not, so that there is no
# list to keep up to date. dpkg knows a library by its path with /usr or without.
RUN --mount=type=cache,id=rls-operator-ccache,target=/root/.cache/ccache set -eu; \
    cmake --preset release -DRLS_TESTS=OFF; \
    cmake --build build/release --target rls-operator rlsctl; \
    install -D --strip --mode=755 build/release/controller/rls-operator /out/rls-operator; \
    install -D --strip --mode=755 build/release/controller/rlsctl /out/rlsctl; \
    ldd /out/rls-operator /out/rlsctl | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | while read -r library; do \
      real=$(readlink -f "$library"); \
      dpkg-query --search "$real" 2>/dev/null || dpkg-query --search "${real#/usr}"; \
    done | cut -d : -f 1 | sort -u >/out/packages; \
    test -s /out/packages; \
    ccache --show-stats | grep -i hits | head -n 1 || true; \
    rm -rf build

# ---- runtime ----------------------------------------------------------------------------------------------
FROM ${RUNTIME_BASE} AS runtime
COPY --from=build /out/packages /tmp/packages
# ca-certificates: for databases with a public certificate (sslrootcert=/etc/ssl/certs/ca-certificates.crt in the
# Secret). tzdata: windows are told in a time zone. passwd: libpq asks for the name of the user it runs as.
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive xargs -a /tmp/packages \
      apt-get install -qq -y --no-install-recommends ca-certificates tzdata \
 && rm -rf /tmp/packages /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/* \
 && echo 'rls-operator:x:65532:65532::/nonexistent:/usr/sbin/nologin' >>/etc/passwd \
 && echo 'rls-operator:x:65532:' >>/etc/group
COPY --from=build /out/rls-operator /out/rlsctl /usr/local/bin/

# After the layers, so that a new commit alone makes none of them anew.
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="rls-operator" \
      org.opencontainers.image.description="Moves the tenants of PostgreSQL databases through the phases of row-level security" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# A number, not a name: Kubernetes can then see by itself that it is not root. Nothing is ever written to a file.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/rls-operator"]
