"""What `chainrule train` left: to answer new samples with, to look into, and to hand on."""

from chainrule.trained.model import TrainedModel, load_model

__all__ = ["TrainedModel", "load_model"]
