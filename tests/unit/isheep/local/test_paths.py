from isheep.local.paths import KEPT_LOGS, LocalPaths


def test_state_is_kept_where_the_environment_says(tmp_path):
    paths = LocalPaths.of("uid", {"XDG_STATE_HOME": str(tmp_path)})
    assert paths.lock == tmp_path / "isheep" / "uid" / "lock"


def test_only_the_newest_logs_are_kept(tmp_path):
    paths = LocalPaths(tmp_path)
    paths.drop_old_logs()
    paths.logs.mkdir()
    names = [f"20300101T0000{n:02d}-001.log" for n in range(KEPT_LOGS + 5)]
    for name in names:
        (paths.logs / name).touch()

    paths.drop_old_logs()

    assert sorted(log.name for log in paths.logs.iterdir()) == names[5:]
