# task: migrate the test database
# needs: sqlite3 python3

mkdir -p migrations
printf 'create table users (id integer primary key, email text);\n' > migrations/001.sql
printf 'alter table users add column name text;\ndrop table if exists old_users;\n' > migrations/002.sql
for f in migrations/*.sql; do sqlite3 test.db < $f; done
sqlite3 test.db "insert into users (email, name) values ('a@example.com', 'A')"
sqlite3 test.db 'select * from users where email like "%example%"'
sqlite3 test.db 'begin; delete from users; rollback; select count(*) from users'
sqlite3 test.db ".backup 'test.bak'"
sqlite3 test.db 'explain query plan select * from users where id = 1'
python3 -c "import sqlite3; c = sqlite3.connect('test.db'); c.execute('delete from users'); c.commit()"
rm -f test.db test.bak
psql --version || true
