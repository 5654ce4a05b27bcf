# What nixpkgs' stdenv does of this, and no more.
set -eu -o pipefail
PATH=
for _i in ${nativeBuildInputs-} ${buildInputs-}; do PATH+=$_i/bin:; done
PATH+=@initialPath@
export PATH
export SOURCE_DATE_EPOCH=315532800
runHook() { if [ "$(type -t "$1")" = function ]; then "$1"; else eval "${!1-}"; fi; }
runPhase() {
  if [ "$(type -t "$1")" = function ] && [ -z "${!1-}" ]; then "$1"; else eval "${!1-}"; fi
}
unpackPhase() {
  runHook preUnpack
  if [ -n "${src-}" ]; then
    if [ -d "$src" ]; then
      sourceRoot=${src##*/}; sourceRoot=${sourceRoot#*-}
      cp -pr "$src" "$sourceRoot"; chmod -R u+w "$sourceRoot"
    else
      echo "stand-in stdenv unpacks directories only" >&2; exit 1
    fi
  fi
  runHook postUnpack
}
genericBuild() {
  if [ -n "${buildCommand-}" ]; then eval "$buildCommand"; return; fi
  local p
  for p in unpackPhase patchPhase configurePhase buildPhase checkPhase installPhase fixupPhase installCheckPhase; do
    case $p in
      checkPhase) [ -n "${doCheck-}" ] || continue ;;
      installCheckPhase) [ -n "${doInstallCheck-}" ] || continue ;;
      unpackPhase) [ -z "${dontUnpack-}" ] || continue ;;
      patchPhase) [ -z "${dontPatch-}" ] || continue ;;
      configurePhase) [ -z "${dontConfigure-}" ] || continue ;;
      buildPhase) [ -z "${dontBuild-}" ] || continue ;;
      installPhase) [ -z "${dontInstall-}" ] || continue ;;
      fixupPhase)
        [ -n "${dontFixup-}" ] || { echo "the stand-in has no fixupPhase: set dontFixup" >&2; exit 1; }
        continue
        ;;
    esac
    echo "Running phase: $p"
    runPhase "$p"
    if [ "$p" = unpackPhase ] && [ -n "${sourceRoot-}" ]; then cd "$sourceRoot"; fi
  done
}
if [ -n "${IN_NIX_SHELL-}" ]; then set +eu; fi
