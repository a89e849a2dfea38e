# Prints what failed in ctest's LastTest.log, each case with the first lines of what it said.
# A program that fails beyond its cases (crash, time-out) shows its last lines.

function entry_ends(  i) {
  if (!inside) return
  if (failed && !told) {
    print "FAILED " entry
    for (i = lines > most ? lines - most : 0; i < lines; i++) print "    " line[i]
  }
  inside = 0
}

function case_fails(name,  i) {
  told = 1
  sub(/^.*\[  FAILED  \] /, "", name)
  sub(/ \([0-9]+ ms\)$/, "", name)
  print "FAILED " name
  for (i = 0; i < lines && i < most; i++) print "    " line[i]
  if (lines > most) print "    ... " lines - most " more lines"
}

BEGIN { most = 25 }
/^[0-9]+\/[0-9]+ Testing: / {
  entry_ends()
  inside = 1
  failed = told = lines = over = 0
  entry = $3
}
/^Test Failed\.$/ { failed = 1 }
/^<end of output>$/ { over = 1 }
over || /^(Output:|Command: |Directory: |[0-9]+\/[0-9]+ Test: |-----)/ { next }
/\[ RUN      \]/ { lines = 0; next }
/\[  FAILED  \] .* \([0-9]+ ms\)$/ { case_fails($0); lines = 0; next }
/\[       OK \] .* \([0-9]+ ms\)$/ { lines = 0; next }
{ line[lines++] = substr($0, 1, 400) }
END { entry_ends() }
