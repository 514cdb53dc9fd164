from isheep.cluster.references import Reference, references

SPEC = {
    "model": {"storageUri": "hf://a/b", "secretRef": {"name": "hub"}},
    "storage": {"s3": {"bucket": "bucket", "secretRef": {"name": "s3"}}},
    "seedTasks": {"configMapRef": {"name": "seeds", "key": "tasks.jsonl"}},
    "promptsRef": {"name": "prompts"},
    "compute": {
        "training": {
            "imagePullSecrets": [{"name": "registry"}],
            "env": [
                {"name": "A", "value": "1"},
                {"name": "B", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "b"}}},
                {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "map", "key": "c"}}},
            ],
        }
    },
}


def test_every_object_that_a_spec_names_is_found_with_its_keys():
    env = "spec.compute.training.env"
    assert references(SPEC) == [
        Reference("spec.serviceAccountName", "ServiceAccount", "default"),
        Reference("spec.model.secretRef", "Secret", "hub", ("token",)),
        Reference(
            "spec.storage.s3.secretRef",
            "Secret",
            "s3",
            ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
        ),
        Reference("spec.seedTasks.configMapRef", "ConfigMap", "seeds", ("tasks.jsonl",)),
        Reference("spec.promptsRef", "ConfigMap", "prompts"),
        Reference("spec.compute.training.imagePullSecrets", "Secret", "registry"),
        Reference(f"{env}[1].valueFrom.secretKeyRef", "Secret", "keys", ("b",)),
        Reference(f"{env}[2].valueFrom.configMapKeyRef", "ConfigMap", "map", ("c",)),
    ]


def test_the_account_of_the_spec_replaces_the_default():
    assert references({"serviceAccountName": "trainer"}) == [
        Reference("spec.serviceAccountName", "ServiceAccount", "trainer")
    ]


def test_the_fields_of_the_api_that_refer_to_objects_are_the_known_ones():
    """A new kind of reference in the API must be added here, or doctor would not check it."""
    from isheep.api.generation.crd import run_schema
    from isheep.cluster.references import KINDS

    def fields(schema):
        for name, field in (schema.get("properties") or {}).items():
            inner = field.get("items", field)
            if set(inner.get("properties") or {}) in ({"name"}, {"name", "key"}):
                yield name
            yield from fields(inner)

    assert set(fields(run_schema()["properties"]["spec"])) == set(KINDS)


def test_the_secrets_of_a_judge_are_found_with_their_keys():
    judge = {"model": {"secretRef": {"name": "hub"}}, "endpoint": {"secretRef": {"name": "api"}}}
    assert references({"judge": judge})[1:] == [
        Reference("spec.judge.model.secretRef", "Secret", "hub", ("token",)),
        Reference("spec.judge.endpoint.secretRef", "Secret", "api", ("apiKey",)),
    ]
