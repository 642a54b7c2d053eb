#!/usr/bin/env bash
# fetch-deb.sh SUITE SOURCE PACKAGE VERSION SHA256 FOLDER
#
# Puts one architecture-independent Debian package, made from the source package SOURCE, into FOLDER and prints its path. The
# package comes from the mirror that this machine's apt uses, through a private apt state (the system's lists and sources are not
# touched), with apt's signature checks and the SHA-256 given here. A version that the suite no longer lists, because it has a
# newer one, is taken from the mirror's pool, where it stays for a while; then the SHA-256 alone vouches for it. A file already in
# FOLDER with that SHA-256 is taken as it is.
set -euo pipefail
say() { printf 'fetch-deb: %s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }
[ $# -eq 6 ] || die "usage: fetch-deb.sh SUITE SOURCE PACKAGE VERSION SHA256 FOLDER"
suite=$1 source=$2 package=$3 version=$4 sha256=$5 folder=$6
file=$folder/${package}_${version//:/%3a}_all.deb

sound() { [ -f "$1" ] && echo "$sha256  $1" | sha256sum -c --quiet - >/dev/null 2>&1; }
if sound "$file"; then echo "$file"; exit 0; fi

command -v apt-get >/dev/null || die "apt-get is needed to fetch $package $version (Debian or Ubuntu); or put the file at $file yourself"
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -r "$keyring" ] || die "$keyring is missing: apt-get install debian-archive-keyring"
mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 2>/dev/null \
  | awk '$3 == "main" && $1 ~ /\/debian\/?$/ && $2 !~ /security/ { print $1; exit }')
[ -n "$mirror" ] || die "apt on this machine knows no Debian archive; put the file at $file yourself (sha256 $sha256)"

mkdir -p "$folder"
state=$(mktemp -d)
trap 'rm -rf "$state"' EXIT
mkdir -p "$state"/{parts,preferences,lists/partial,cache/archives/partial,here}
: >"$state/empty"
printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nArchitectures: amd64\nSigned-By: %s\n' \
  "$mirror" "$suite" "$keyring" >"$state/parts/debian.sources"
apt=(apt-get -qq
  -o "Dir::Etc::SourceList=$state/empty" -o "Dir::Etc::SourceParts=$state/parts"
  -o "Dir::Etc::Preferences=$state/empty" -o "Dir::Etc::PreferencesParts=$state/preferences"
  -o "Dir::State::Lists=$state/lists" -o "Dir::State::Status=$state/empty" -o "Dir::Cache=$state/cache"
  -o APT::Architecture=amd64 -o APT::Architectures::=amd64 -o APT::Sandbox::User=root
  -o Acquire::Languages=none -o Acquire::Retries=3
  -o Acquire::AllowInsecureRepositories=false -o APT::Get::AllowUnauthenticated=false
  -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false
  -o Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false)
say "reading the index of $suite"
"${apt[@]}" update >&2 || die "the index of $suite could not be read from $mirror"
say "downloading $package $version"
if ! (cd "$state/here" && "${apt[@]}" download "$package=$version" >&2 2>"$state/told"); then
  # In a file's name there is no epoch; the pool sorts by the first letter of the source, `lib` being a letter of its own.
  case $source in lib*) letter=${source:0:4} ;; *) letter=${source:0:1} ;; esac
  url=${mirror%/}/pool/main/$letter/$source/${package}_${version#*:}_all.deb
  say "$suite lists another version; trying the pool"
  /usr/lib/apt/apt-helper -qq -o APT::Sandbox::User=root download-file "$url" "$state/here/$package.deb" "SHA256:$sha256" >&2 \
    || { cat "$state/told" >&2; die "$mirror has $package $version neither in $suite nor in its pool"; }
fi
got=$(echo "$state"/here/*.deb)
sound "$got" || die "$package $version has another SHA-256 than the pinned $sha256"
# Written beside its place and renamed, so that a stopped run leaves no half file under the final name.
cp "$got" "$file.new.$$" && mv "$file.new.$$" "$file"
echo "$file"
