SELECT EXISTS (SELECT 1 FROM entry WHERE timeline = ?1 AND game_time IS NOT NULL)
    OR EXISTS (SELECT 1 FROM save_point WHERE timeline = ?1 AND game_time IS NOT NULL);
