# Counts test cases in ctest's LastTest.log; prints "PASSED FAILED SKIPPED".
# A ctest entry that is a GoogleTest program counts by its cases, another one as one case.
# A program that fails beyond its cases (crash, time-out, leak at the end) adds a failure.

function entry_ends() {
  if (!inside) return
  if (absent) ok = skip = 0
  if (!cases) { passed += ok; failed += !ok && !skip; skipped += skip }
  else {
    passed += case_passed; failed += case_failed; skipped += case_skipped
    if (!ok && !case_failed && !case_skipped) failed++
  }
  inside = 0
}

/^[0-9]+\/[0-9]+ Testing: / {
  entry_ends()
  inside = 1
  ok = skip = absent = cases = case_passed = case_failed = case_skipped = 0
}
# The summary at the end of a program repeats names, but without a time. Text that a test
# prints without an end of line may stand before the mark.
/\[       OK \] .* \([0-9]+ ms\)$/ { cases++; case_passed++ }
/\[  FAILED  \] .* \([0-9]+ ms\)$/ { cases++; case_failed++ }
/\[  SKIPPED \] .* \([0-9]+ ms\)$/ { cases++; case_skipped++ }
# The log says "Test Passed." of a program that does not exist, too.
/^Command: ""$/ { absent = 1 }
/^Test Passed\.$/ { ok = 1 }
/^Test Skipped\.$/ { skip = 1 }

END {
  entry_ends()
  print passed + 0, failed + 0, skipped + 0
}
