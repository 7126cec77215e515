SELECT parent, fork_seq, jump, depth, tip_seq FROM branch WHERE timeline = ?1 AND number = ?2;
