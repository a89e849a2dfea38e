#!/usr/bin/env bash
# dev/build and dev/test on a small project of their own.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# project: a tree with our scripts, one program of tests, and levels that use it.
# TESTS, a list of test names, says which of its tests each ctest entry runs.
project() {
  mkdir tree tree/tests
  cp -r "$checkout/dev" tree/
  cat >tree/CMakePresets.json <<'END'
{"version": 3, "configurePresets": [
  {"name": "dev", "generator": "Ninja", "binaryDir": "${sourceDir}/build/dev", "cacheVariables": {"CMAKE_BUILD_TYPE": "Debug"}},
  {"name": "other", "inherits": "dev", "binaryDir": "${sourceDir}/build/other"}]}
END
  cat >tree/CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.25)
project(small CXX)
enable_testing()
find_package(GTest REQUIRED)
add_executable(cases cases.cpp)
target_link_libraries(cases GTest::gtest_main)
add_executable(spare spare.cpp)
add_test(NAME cases COMMAND cases)
set_tests_properties(cases PROPERTIES LABELS unit)
add_test(NAME servers COMMAND sh -c "psql \"$DATABASE_URL\" -c 'select 1' && ! env | grep KUBECONFIG")
set_tests_properties(servers PROPERTIES LABELS postgres)
END
  echo 'int main() {}' >tree/spare.cpp
  cat >tree/cases.cpp <<'END'
#include <gtest/gtest.h>
#include <cstdlib>
static bool with(const char* what) { const char* mood = std::getenv("MOOD"); return mood && std::string(mood) == what; }
TEST(Small, One) {}
TEST(Small, Two) { if (with("fail")) FAIL() << "as asked"; if (with("crash")) std::abort(); if (with("slow")) std::system("exec sleep 71"); }
TEST(Small, Three) { if (with("skip")) GTEST_SKIP() << "not today"; }
END
}
run_test() { tree/dev/test "$@"; }
last_line() { run_test "$@" 2>/dev/null | tail -n 1; }

test_help() {
  shows "Usage: dev/test" "$checkout/dev/test" --help
  shows "Usage: dev/build" "$checkout/dev/build" --help
  shows "Usage: dev/install" "$checkout/dev/install" --help
  fails "$checkout/dev/test" units
  fails "$checkout/dev/install" everything
}

test_levels() {
  project
  export MOOD=
  same "$(last_line unit)" "3 passed, 0 failed"
  # Again, with nothing to build.
  same "$(last_line unit)" "3 passed, 0 failed"
  run_test unit >/dev/null

  MOOD=fail
  same "$(last_line unit)" "2 passed, 1 failed"
  fails run_test unit
  shows "as asked" run_test unit
  MOOD=crash
  same "$(last_line unit)" "1 passed, 1 failed"
  fails run_test unit
  MOOD=skip
  same "$(last_line unit)" "2 passed, 1 failed"
  fails run_test unit
  shows "count as failed" run_test unit

  # A level without tests has not passed.
  MOOD=
  same "$(last_line e2e)" "0 passed, 1 failed"
  fails run_test e2e

  same "$(KUBECONFIG=/mine DATABASE_URL=/mine PGUSER=me last_line unit postgres --postgres-version 15)" "4 passed, 0 failed"
  same "$(last_line postgres)" "6 passed, 0 failed" # one on each version
  fails run_test postgres --postgres-version 12
  same "$(ls tree/.run)" ""

  # What does not compile fails every level that needs it, with the compiler's message.
  echo 'no such thing' >>tree/spare.cpp
  same "$(last_line unit)" "0 passed, 1 failed"
  shows "spare.cpp:2" run_test unit
}

test_interrupted_run_leaves_nothing() {
  project
  # Of this run alone: another one may be beside it.
  local nap="sleep 72.$BASHPID"
  sed -i "s/COMMAND sh -c .*/COMMAND sh -c \"exec $nap\")/" tree/CMakeLists.txt
  tree/dev/build
  local signal runner tries
  for signal in TERM INT; do
    # A background job of a script ignores SIGINT, so it is started with it restored.
    env --default-signal=INT tree/dev/test postgres >run.log 2>&1 &
    runner=$!
    for ((tries = 0; tries < 3000; tries++)); do
      ! pgrep -xf "$nap" >/dev/null || break
      sleep 0.1
    done
    pgrep -xf "$nap" >/dev/null || fail "the test did not start: $(cat run.log)"
    kill "-$signal" "$runner"
    ! wait "$runner" || fail "an interrupted run did not fail"
    ! pgrep -xf "$nap" || fail "the test is still running after SIG$signal"
    same "$(ls tree/.run)" ""
  done
}

test_build() {
  project
  tree/dev/build spare
  [[ -x tree/build/dev/spare && ! -e tree/build/dev/cases ]]
  tree/dev/build other spare
  [[ -x tree/build/other/spare ]]
  fails tree/dev/build --fast
  fails tree/dev/build no-such-target
}

run_tests
