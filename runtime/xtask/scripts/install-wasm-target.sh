#!/usr/bin/env bash
# install-wasm-target.sh
#
# Makes `cargo build --target wasm32-wasip2` work where rustup cannot fetch the target: builds Rust's standard library from
# Debian's source package of this very compiler, adds the C library objects of Debian's wasi-libc, and puts both where
# rustup would: SYSROOT/lib/rustlib/wasm32-wasip2. No environment variable or nightly flag is needed afterwards.
#
# Every installed toolchain of the same compiler is served (one release is often there twice, as `stable` and by its number).
# Needs bash, coreutils, apt-get and dpkg-deb, and the crate registry for the dozen crates of std's own Cargo.lock.
set -euo pipefail

# One line per compiler: release, commit, suite, version of rust-src, its SHA-256.
# A suite lists only the newest version of a package; fetch-deb.sh takes an older one from the archive's pool while it is there.
rust_src_pins='
1.95.0 59807616e1fa2540724bfbac14d7976d7e4a3860 trixie-backports 1.95.0+dfsg1-2~bpo13+1 7b76db5b880a77f9e52975d2baa6209d2f76d2c9c2789515c3088cb960e2c83b
'
# The first one that can be had: of the same weeks as the wasi-sdk that this Rust release was made with, then a later one.
wasi_libc_pins='
trixie-backports wasi-libc wasi-libc 0.0~git20260129.ec0effd-3~bpo13+1 45eb80a2d4dcf7fe54c8e5c5d6a3cd165a3682fccc124c46f7abc6255c9b1bce
trixie-backports wasi-libc wasi-libc 0.0~git20260423.161b319-2~bpo13+1 578dd9d29188bfc3ebd9554fdd8b238324a4faac8c169bf0f882956e3fe187de
'

target=wasm32-wasip2
here=$(cd "$(dirname "$0")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/modelet
say() { printf 'wasm target: %s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

mkdir -p "$cache/downloads"
exec 9>"$cache/wasm-target.lock"
flock 9   # two checkouts may run setup at once

# Asked in the caller's folder, whose rust-toolchain.toml picks the compiler; the build itself happens elsewhere, so that no
# setting of the caller's folder or environment gets into it.
active=$(realpath "$(rustc --print sysroot)")
release=$("$active/bin/rustc" -vV | sed -n 's/^release: //p')
commit=$("$active/bin/rustc" -vV | sed -n 's/^commit-hash: //p')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS CARGO_BUILD_TARGET CARGO_TARGET_DIR RUSTC_WRAPPER \
  RUSTC_WORKSPACE_WRAPPER RUSTUP_TOOLCHAIN

links() { # SYSROOT: can it link a program that uses std?
  printf 'fn main() { println!("{:?}", std::env::args().collect::<std::collections::HashSet<_>>()); }\n' >probe.rs
  rm -f probe.wasm
  "$1/bin/rustc" --edition 2024 --target $target -o probe.wasm probe.rs 2>probe.log && [ -s probe.wasm ]
}

sysroots=("$active")
for candidate in "${RUSTUP_HOME:-$HOME/.rustup}"/toolchains/*/; do
  [ -x "$candidate/bin/rustc" ] || continue
  candidate=$(realpath "$candidate")
  case " ${sysroots[*]} " in *" $candidate "*) continue ;; esac
  [ "$("$candidate/bin/rustc" -vV 2>/dev/null | sed -n 's/^commit-hash: //p')" = "$commit" ] || continue
  sysroots+=("$candidate")
done

missing=() built=
for sysroot in "${sysroots[@]}"; do
  if ! links "$sysroot"; then
    missing+=("$sysroot")
  elif [ -f "$sysroot/lib/rustlib/$target/built-from-source" ]; then
    built=$sysroot/lib/rustlib/$target
  fi
done
if [ ${#missing[@]} -eq 0 ]; then say "already there"; exit 0; fi

build() { # -> $work/out
  local pin source libc='' flags
  pin=$(awk -v r="$release" -v c="$commit" '$1 == r && $2 == c { print $3, "rustc", "rust-src", $4, $5 }' <<<"$rust_src_pins")
  [ -n "$pin" ] || die "no source package is pinned for rustc $release ($commit): add its line to rust_src_pins in $here/install-wasm-target.sh"
  # shellcheck disable=SC2086 # a pin is five words
  source=$(bash "$here/fetch-deb.sh" $pin "$cache/downloads") || exit 1
  while read -r pin; do
    # shellcheck disable=SC2086
    [ -z "$pin" ] || libc=$(bash "$here/fetch-deb.sh" $pin "$cache/downloads" </dev/null) && [ -n "$libc" ] && break
  done <<<"$wasi_libc_pins"
  [ -n "$libc" ] || die "no pinned version of wasi-libc can be had"
  dpkg-deb -x "$libc" libc
  dpkg-deb --fsys-tarfile "$source" | tar -x --strip-components=4 --wildcards \
    "./usr/src/rustc-$release/library" "./usr/src/rustc-$release/src/version"
  # Debian vendors std's crates without one that its lock file names; cargo fetches them all, held to the lock file's hashes.
  rm -rf library/vendor

  say "building std $release (one to five minutes)"
  # The flags and features with which Rust's own build makes a released std.
  flags="-Zforce-unstable-if-unmarked -Lnative=$work/libc/usr/lib/$target --remap-path-prefix=$work=/rustc/$commit"
  flags+=" --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}/registry/src=/rust/deps"
  RUSTC_BOOTSTRAP=1 __CARGO_DEFAULT_LIB_METADATA="stablestd$release" RUSTFLAGS=$flags RUSTC="$active/bin/rustc" \
    "$active/bin/cargo" build --quiet --locked --manifest-path library/sysroot/Cargo.toml --profile dist --target $target \
    --features 'panic-unwind backtrace' --target-dir build >&2 || die "std did not build"

  mkdir -p out/lib/self-contained
  cp build/$target/dist/deps/*.rlib out/lib/
  cp libc/usr/lib/$target/{libc.a,crt1-command.o,crt1-reactor.o} out/lib/self-contained/
  printf 'rustc %s %s\n%s\n' "$release" "$commit" "$pin" >out/built-from-source
}

# A toolchain that already has it, by this script, is as good as building again.
if [ -n "$built" ]; then cp -r "$built" out; else build; fi

for sysroot in "${missing[@]}"; do
  rm -rf "$sysroot/lib/rustlib/.$target.new"
  cp -r out "$sysroot/lib/rustlib/.$target.new" || die "$sysroot is not writable for you"
  rm -rf "$sysroot/lib/rustlib/$target"
  mv "$sysroot/lib/rustlib/.$target.new" "$sysroot/lib/rustlib/$target"
  links "$sysroot" || { cat probe.log >&2; die "installed in $sysroot, but a program still does not link"; }
  say "installed in $sysroot"
done
