-- One row for each job of a list, in the list's order.
--
-- number    counts the jobs from 0; rows from 2^40 on are of an earlier form of the list
-- key       a digest of what the line asks for
-- path      the file's, below the run's directory; empty where the job had none
-- status    planned, committing, replacing, complete or failed
-- inode     of the file that is about to get the name, or has it
-- size      of the file, in bytes
-- etag, modified   of the version that was fetched, where the server told
-- checksum  that the file was found to have, where one was known
CREATE TABLE entry (
    number INTEGER PRIMARY KEY,
    key INTEGER NOT NULL,
    path TEXT NOT NULL,
    status TEXT NOT NULL,
    inode INTEGER,
    size INTEGER,
    etag TEXT,
    modified TEXT,
    checksum TEXT
);
