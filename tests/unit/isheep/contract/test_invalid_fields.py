import pytest
from pydantic import BaseModel, ValidationError, field_validator

from isheep.contract.invalid_fields import invalid_fields
from isheep.contract.order import ContractError, parse_order


class Model(BaseModel):
    count: int
    name: str

    @field_validator("name")
    @classmethod
    def _short(cls, value: str) -> str:
        if len(value) > 3:
            raise ValueError("the name is too long")
        return value


def test_each_field_is_one_line_without_the_text_of_pydantic():
    with pytest.raises(ValidationError) as caught:
        Model.model_validate({"count": "secret", "name": "long name"})
    first, second = invalid_fields(caught.value)
    assert first.startswith("count: Input should be a valid integer")
    assert second == "name: the name is too long"


def test_the_error_of_an_order_names_fields_and_no_page_of_pydantic():
    with pytest.raises(ContractError) as caught:
        parse_order('{"run": {"name": "secret"}}')
    message = str(caught.value)
    assert "run.namespace: Field required" in message
    assert "pydantic" not in message
    assert "secret" not in message
    assert "\n" not in message
