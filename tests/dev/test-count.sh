#!/usr/bin/env bash
# Counting test cases in ctest's log.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

count() { awk -f "$checkout/dev/lib/count-tests.awk" "$1"; }

# entry NAME RESULT OUTPUT-LINE...: one entry of LastTest.log
entry() {
  printf '1/9 Testing: %s\n1/9 Test: %s\nCommand: "x"\nOutput:\n----------\n' "$1" "$1"
  [[ $# -lt 3 ]] || printf '%s\n' "${@:3}"
  printf '<end of output>\nTest time =   0.00 sec\n----------\n%s\n"%s" end time: x\n' "$2" "$1"
}

test_counts_cases() {
  entry one 'Test Passed.' '[ RUN      ] A.a' '[       OK ] A.a (0 ms)' 'text[       OK ] A.b (12 ms)' '[  PASSED  ] 2 tests.' >log
  entry two 'Test Failed.' '[       OK ] B.a/0 (0 ms)' '[  FAILED  ] B.a/1, where GetParam() = 4 (3 ms)' \
    '[  FAILED  ] 1 test, listed below:' '[  FAILED  ] B.a/1, where GetParam() = 4' >>log
  same "$(count log)" "3 1 0"
}
test_crash_after_good_cases_is_a_failure() {
  entry one 'Test Failed.' '[       OK ] A.a (0 ms)' '[ RUN      ] A.b' >log
  same "$(count log)" "1 1 0"
}
test_skipped_case() {
  entry one 'Test Passed.' '[       OK ] A.a (0 ms)' '[  SKIPPED ] A.b (0 ms)' '[  SKIPPED ] 1 test, listed below:' '[  SKIPPED ] A.b' >log
  same "$(count log)" "1 0 1"
}
test_program_without_googletest_is_one_case() {
  { entry one 'Test Passed.' 'hello'; entry two 'Test Failed.'; entry three 'Test Skipped.'; } >log
  same "$(count log)" "1 1 1"
}
test_absent_program_is_a_failure() {
  entry one 'Test Passed.' | sed 's/^Command: .*/Command: ""/' >log
  same "$(count log)" "0 1 0"
}
test_what_failed_is_told_with_what_it_said() {
  entry one 'Test Failed.' '[ RUN      ] A.a' 'noise' '[       OK ] A.a (0 ms)' '[ RUN      ] A.b' 'a.cpp:7: Failure' 'Value of: x' \
    '[  FAILED  ] A.b (3 ms)' '[  FAILED  ] 1 test, listed below:' '[  FAILED  ] A.b' >log
  entry two 'Test Passed.' '[ RUN      ] B.a' '[       OK ] B.a (0 ms)' >>log
  entry three 'Test Failed.' '[ RUN      ] C.a' 'Segmentation fault' >>log
  same "$(awk -f "$checkout/dev/lib/failed-tests.awk" log)" "FAILED A.b
    a.cpp:7: Failure
    Value of: x
FAILED three
    Segmentation fault"
}
test_empty_log() { : >log && same "$(count log)" "0 0 0"; }

run_tests
