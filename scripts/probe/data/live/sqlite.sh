# task: put the measurements into a database and ask for the means
# needs: sqlite3

sqlite3 app.db 'create table item (id integer primary key, name text, size real)'
sqlite3 app.db "insert into item (name, size) values ('a', 1.5), ('b', 2.5)"
sqlite3 app.db 'select name, avg(size) from item group by name'
sqlite3 -header -csv app.db 'select * from item' > item.csv
sqlite3 app.db .schema
sqlite3 app.db .dump > dump.sql
sqlite3 copy.db < dump.sql
sqlite3 app.db 'pragma integrity_check'
sqlite3 app.db 'update item set size = 3 where name = "a"; select count(*) from item'
sqlite3 app.db 'delete from item where id = 1'
sqlite3 app.db 'drop table if exists scratch'
sqlite3 app.db 'pragma journal_mode=delete; vacuum;'
sqlite3 app.db 'create table t(a); insert into t values (1),(2); select sum(a) from t;'
sqlite3 -batch :memory: 'select sqlite_version()'
sqlite3 app.db '.import --csv item.csv imported'
rm copy.db
