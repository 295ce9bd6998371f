import json
import sqlite3

with sqlite3.connect(":memory:") as database:
    database.execute("create table t (id integer primary key, name text)")
    database.execute("insert into t (name) values (?)", ("café",))
    print(json.dumps({"rows": database.execute("select * from t").fetchall()}))
