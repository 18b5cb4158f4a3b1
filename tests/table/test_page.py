"""The page of modules in the documentation is the one that the code gives."""

from tests.make_modules_table import PAGE, page


def test_the_table_of_modules_is_up_to_date() -> None:
    assert PAGE.read_text() == page(), "run: python -m tests.make_modules_table"
