# task: find out which requests were slow yesterday
# needs: jq

for i in $(seq 1 200); do echo "2024-05-01T10:00:$((i % 60)) GET /api/$((i % 7)) $((i % 5 + 196)) ${i}ms"; done > access.log
grep ' 500 ' access.log || true
grep -c GET access.log
grep -E ' (199|200) ' access.log | awk '{print $3}' | sort | uniq -c | sort -rn | head -n 3
awk '{ sub("ms", "", $5); if ($5 > 190) print $3, $5 }' access.log
tail -n 5 access.log
head -c 200 access.log
less -F access.log | head -n 2
sed -n '/10:00:59/,/10:00:05/p' access.log | wc -l
cut -d' ' -f3 access.log | sort -u
gzip -c access.log > access.log.1.gz
zgrep -c api access.log.1.gz
timeout 1 tail -f access.log || true
journalctl --version || true
dmesg | tail -n 1 || true
jq -Rn '[inputs | split(" ")[2]] | unique' access.log
