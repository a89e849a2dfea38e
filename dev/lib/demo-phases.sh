# shellcheck shell=bash
# The story of manifests/samples/demo: an RlsMigration a project, each for itself. See demo-story.sh.

# shellcheck disable=SC2034 # read by demo-story.sh
phases_expect() {
  culprit=motoko
  expected=(
    [sm]=complete      # all the way
    [motoko]=shadow    # wants enforcing; its traffic breaks isolation
    [ab]=enforcing [aa]=enforcing
    [bap]=shadow [echo]=shadow
    [ea]=pending
    [io]=shadow        # was in enforcing, then held
  )
}

phases_chapters() {
  story_moves pending,shadow shadow,enforcing pending,enforcing enforcing,complete shadow,complete
  if [[ ${phase[motoko]:-} == shadow && ${blocked[motoko]:-} == *Violations* ]] && once culprit; then
    tell "motoko: writes other projects' rows, so it stays in $(name_of shadow): gate Violations. Enforcing would have broken it"
  fi
  story_brake enforcing
}

phases_proof() {
  prove motoko "writes a document of ab" "$insert" '' 'still works, and is recorded'
  prove ea "writes a document of ab" "$insert" '' 'still works'
}

phases_verify() {
  [[ ${blocked[motoko]:-} == *Violations* ]] || { echo "motoko is not blocked by Violations"; return 1; }
}
