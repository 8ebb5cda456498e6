# task: see what runs and stop the background job
# needs: ps

sleep 30 &
job=$!
ps -o pid,comm -p $job
ps aux | head -n 3
pgrep -a sleep
jobs -l
kill -0 $job
kill -TERM $job
wait $job || true
sleep 30 & pkill sleep; wait || true
sleep 30 & killall sleep || kill %1; wait || true
top -b -n 1 | head -n 3
uptime
free -h
lsof -i :3000 || true
ss -ltn | head -n 2
ls -l /proc/self/fd
cat /proc/meminfo | head -n 2
