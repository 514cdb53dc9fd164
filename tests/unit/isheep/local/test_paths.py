from isheep.local.paths import KEPT_LOGS, LocalPaths


def test_the_state_folder_is_that_of_the_environment(tmp_path):
    paths = LocalPaths.of("uid", {"XDG_STATE_HOME": str(tmp_path)})
    assert paths.lock == tmp_path / "isheep" / "uid" / "lock"


def test_only_the_newest_logs_are_kept(tmp_path):
    paths = LocalPaths(tmp_path)
    paths.delete_old_logs()
    paths.logs.mkdir()
    names = [f"20300101T0000{n:02d}-001.log" for n in range(KEPT_LOGS + 5)]
    for name in names:
        (paths.logs / name).touch()

    paths.delete_old_logs()

    assert sorted(log.name for log in paths.logs.iterdir()) == names[5:]
