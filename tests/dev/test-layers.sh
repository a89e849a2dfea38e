#!/usr/bin/env bash
# dev/check-layers: what it lets through and what it finds.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# source_file PATH LINE...
source_file() {
  mkdir -p "$(dirname "$1")"
  printf '%s\n' "${@:2}" >"$1"
}
check() { "$checkout/dev/check-layers" --root "$PWD"; }

# A tree that is all right, so that each test below has one mistake.
good_tree() {
  source_file controller/main.cpp '#include "controller/app/wire.hpp"' '#include <spdlog/spdlog.h>'
  source_file controller/base/result.hpp '#pragma once' '#include <variant>'
  source_file controller/base/log.cpp '#include "controller/base/log.hpp"' '#include <spdlog/spdlog.h>'
  source_file controller/api/types.hpp '#include "controller/base/result.hpp"'
  source_file controller/decide/plan.cpp '#include "controller/decide/plan.hpp"' '#include "controller/api/types.hpp"' '#include <vector>'
  source_file controller/postgres/port.hpp '#include "controller/decide/plan.hpp"'
  source_file controller/postgres/connection.cpp '#include <pqxx/pqxx>'
  source_file controller/kube/client.cpp '#include <cpprest/http_client.h>' '#include "controller/api/types.hpp"'
  source_file controller/runtime/queue.hpp '#include "controller/base/result.hpp"'
  source_file controller/reconcile/migration.cpp '#include "controller/kube/client.hpp"' '#include "metrics/registry.hpp"'
  source_file controller/app/wire.cpp '#include "controller/reconcile/migration.hpp"'
  source_file metrics/registry.cpp '#include <prometheus/registry.h>' '#include "controller/base/log.hpp"'
}

test_accepts_a_good_tree() { good_tree && same "$(check)" ""; }

test_base_depends_on_nothing() {
  good_tree
  source_file controller/base/bad.hpp '' '#include "controller/api/types.hpp"'
  fails check
  shows 'controller/base/bad.hpp:2: base may not include api' check
}

test_every_forbidden_pair_is_found() {
  good_tree
  local rooms=(base api decide postgres kube leader runtime metrics checks reconcile app) from to folder allowed
  for from in "${rooms[@]}"; do
    allowed=" $("$checkout/dev/check-layers" --table | awk -v r="$from" '$1 == r { $1 = ""; print }') $from "
    for to in "${rooms[@]}"; do
      folder=controller/$to
      source_file "controller/$from/pair.cpp" "#  include   \"$folder/x.hpp\"  // why"
      if [[ $allowed == *" $to "* ]]; then same "$(check)" ""; else fails check; fi
    done
    rm "controller/$from/pair.cpp"
  done
}

test_the_table_is_the_architecture() {
  same "$("$checkout/dev/check-layers" --table | tr -s ' ' | sed 's/ $//')" 'base -
api base
decide api base
postgres decide api base
kube api base
leader kube api base
runtime base
metrics api base
checks postgres kube api base
reconcile checks postgres kube runtime decide api base metrics
app checks postgres kube leader runtime decide api base metrics reconcile
ctl postgres kube decide api base reconcile
main checks postgres kube leader runtime decide api base metrics reconcile app ctl'
}

test_vendor_header_in_a_header() {
  good_tree
  local header
  for header in cpprest/json.h pplx/pplxtasks.h pqxx/pqxx simdjson.h nlohmann/json_fwd.hpp spdlog/logger.h yaml-cpp/yaml.h prometheus/gauge.h date/tz.h; do
    source_file controller/kube/bad.hpp "#include <$header>"
    fails check
    shows 'only .cpp files include vendor headers' check
    source_file controller/kube/bad.hpp "#include \"$header\""
    fails check
  done
}

test_headers_of_detail_may_include_vendors_and_are_private() {
  good_tree
  source_file controller/api/detail/fields.hpp '#include <simdjson.h>'
  source_file controller/api/decode.cpp '#include "controller/api/detail/fields.hpp"'
  check
  source_file controller/postgres/bad.cpp '#include "controller/api/detail/fields.hpp"'
  shows 'controller/api/detail/fields.hpp is private to api/' check
}

test_vendor_header_in_a_pure_room() {
  good_tree
  source_file controller/decide/bad.cpp '#include <nlohmann/json.hpp>'
  fails check
  shows 'decide/ includes no vendor library' check
  rm controller/decide/bad.cpp
  source_file controller/runtime/bad.cpp '#include <spdlog/spdlog.h>'
  fails check
}

test_unknown_room() {
  good_tree
  source_file controller/attic/x.cpp '#include <string>'
  shows "the room 'attic' is not in the table" check
  rm -r controller/attic
  source_file controller/api/x.cpp '#include "controller/attic/x.hpp"'
  shows "the room 'attic' is not in the table" check
}

test_relative_paths() {
  good_tree
  source_file controller/api/x.cpp '#include "types.hpp"'
  shows 'write the path from the root' check
  source_file controller/api/x.cpp '#include "../base/result.hpp"'
  fails check
}

run_tests
