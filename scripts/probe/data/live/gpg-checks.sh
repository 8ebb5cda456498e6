# task: check the signature of the release
# needs: gpg

export GNUPGHOME=$(mktemp -d)
gpg --batch --version | head -n 1
echo data > release.txt
gpg --batch --print-md sha256 release.txt
gpg --batch --list-keys || true
sha512sum release.txt
cksum release.txt
b2sum release.txt
