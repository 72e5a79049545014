"""How many examples a property gets where the profile's number would be too many, or too few, for every day."""

from hypothesis import settings


def everyday(count: int) -> settings:
    """So many examples in the profiles `ci` and `dev`; as many as every other property has in longer ones."""
    ordinary, chosen = settings.get_profile("ci").max_examples, settings().max_examples
    return settings(max_examples=count if chosen <= ordinary else max(chosen, count))
