"""The parts of a run of a stage that all stages share: context, engine, parts and commit."""
