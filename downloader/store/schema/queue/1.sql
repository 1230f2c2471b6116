-- One row for each job of the queue, those that have ended too.
--
-- number    counts the jobs in the order they came
-- gid       16 lower-case hexadecimal digits, by which others know it
-- status    waiting, paused, error, complete or removed; one that runs is waiting here
-- priority  who has more of it is begun first
-- place     the order among equals
-- wanted    what is asked for, as JSON
-- path      the file's, below the job's directory, once it was decided
-- inode, size   of the file that is about to get the name
-- told      what came of it, as JSON; NULL until it has ended
CREATE TABLE job (
    number INTEGER PRIMARY KEY,
    gid TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL,
    priority INTEGER NOT NULL,
    place REAL NOT NULL,
    wanted TEXT NOT NULL,
    path TEXT,
    inode INTEGER,
    size INTEGER,
    told TEXT
);
