# task: pack the release and look at what is in it
# needs: tar zip unzip

mkdir -p release/bin release/share
echo 1 > release/bin/tool
echo 2 > release/share/doc.txt
tar -czf release.tar.gz release
tar -tzf release.tar.gz
mkdir out && tar -xzf release.tar.gz -C out --strip-components=1
tar --exclude='*.txt' -cJf small.tar.xz release
tar -xf small.tar.xz -C out
tar -cf - release | gzip -9 > r.tgz
tar -c --zstd -f r.tar.zst release || true
zip -qr release.zip release
unzip -l release.zip
unzip -qo release.zip -d unzipped
gzip -k release/share/doc.txt
zcat release/share/doc.txt.gz
gunzip -f release/share/doc.txt.gz
xz -k out/share/doc.txt
bzip2 -k out/bin/tool || true
sha256sum release.tar.gz > SHA256SUMS
sha256sum -c SHA256SUMS
md5sum release.zip
rm -rf out unzipped release
