"""The recipes that have a name.

All deviate from their sources alike: pixels are normalised by the training part itself, and
where a source crops and resizes at random (ImageNet), images are padded and cropped.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from nascout.registry import Registry
from nascout.train.augmentation import Augmentation
from nascout.train.drop_path import DropPath
from nascout.train.optimizer import RmsProp, Sgd
from nascout.train.recipe import Recipe
from nascout.train.schedule import Cosine, CosineRestarts, Exponential

__all__ = ["recipes"]

recipes: Registry[Recipe] = Registry("recipe")

MIRROR: Final = Augmentation(flip=True)
CUTOUT: Final = Augmentation(flip=True, cutout=0.5)

SHORTLIST: Final = Recipe(
    name="shortlist",
    source="nascout: a short training that ranks candidates, for successive halving",
    epochs=8,
    batch_size=64,
    lr=0.1,
    warmup_epochs=1,
    gradient_clip=5.0,
)
FINAL: Final = replace(
    SHORTLIST,
    name="final",
    source="nascout: the training of the network that was chosen",
    epochs=60,
    label_smoothing=0.1,
    warmup_epochs=3,
)
NASBENCH201: Final = Recipe(
    name="nasbench201",
    source="NAS-Bench-201, arXiv:2001.00326, hyper-parameter set H",
    epochs=200,
    batch_size=256,
    lr=0.1,
    optimizer=Sgd(decay_norm_and_bias=True),
    augmentation=MIRROR,
)
NASBENCH201_12: Final = replace(
    NASBENCH201,
    name="nasbench201_12",
    source="NAS-Bench-201, arXiv:2001.00326: the training of 12 epochs",
    epochs=12,
)
DARTS_CIFAR10: Final = Recipe(
    name="darts_cifar10",
    source="DARTS, arXiv:1806.09055, and its released code. The drop rate grows "
    "with every step, there with every epoch",
    epochs=600,
    batch_size=96,
    lr=0.025,
    optimizer=Sgd(nesterov=False, weight_decay=3e-4, decay_norm_and_bias=True),
    schedule=Cosine(per_epoch=True),
    augmentation=CUTOUT,
    gradient_clip=5.0,
    auxiliary_weight=0.4,
    drop_path=DropPath(0.2),
)
DARTS_IMAGENET: Final = Recipe(
    name="darts_imagenet",
    source="DARTS, arXiv:1806.09055, and its released code. Without colour jitter",
    epochs=250,
    batch_size=128,
    lr=0.1,
    optimizer=Sgd(nesterov=False, weight_decay=3e-5, decay_norm_and_bias=True),
    schedule=Exponential(0.97),
    augmentation=MIRROR,
    label_smoothing=0.1,
    gradient_clip=5.0,
    auxiliary_weight=0.4,
)
NASNET_CIFAR10: Final = Recipe(
    name="nasnet_cifar10",
    source="NASNet, arXiv:1707.07012, with cutout, and the numbers that TF-Slim's code gives",
    epochs=600,
    batch_size=32,
    lr=0.025,
    optimizer=Sgd(nesterov=False, weight_decay=5e-4),
    augmentation=CUTOUT,
    gradient_clip=5.0,
    auxiliary_weight=0.4,
    drop_path=DropPath(0.4, by_layer=True),
)
NASNET_IMAGENET: Final = Recipe(
    name="nasnet_imagenet",
    source="NASNet, arXiv:1707.07012, with the numbers that TF-Slim's code gives "
    "for the large network: 250,000 steps of 100 workers with 16 images each. See RmsProp",
    epochs=312,
    batch_size=1600,
    lr=1.5,
    optimizer=RmsProp(smoothing=0.9, momentum=0.9, epsilon=1.0, weight_decay=4e-5),
    schedule=Exponential(0.97, every=2.4),
    augmentation=MIRROR,
    label_smoothing=0.1,
    gradient_clip=10.0,
    auxiliary_weight=0.4,
    drop_path=DropPath(0.3, by_layer=True),
    dropout=0.5,
    ema_decay=0.9999,
)
PROXYLESSNAS_IMAGENET: Final = Recipe(
    name="proxylessnas_imagenet",
    source="ProxylessNAS, arXiv:1812.00332: defaults of its released training. Without colour "
    "distortion; the classifier's bias does not decay",
    epochs=300,
    batch_size=256,
    lr=0.05,
    optimizer=Sgd(weight_decay=4e-5),
    augmentation=MIRROR,
    label_smoothing=0.1,
)
ENAS_MICRO_FINAL: Final = Recipe(
    name="enas_micro_final",
    source="ENAS, arXiv:1802.03268, and cifar10_micro_final.sh. There the penalty is 2e-4 times "
    "the sum of squares, so the decay is 4e-4. Its code means to clip each gradient at a norm of "
    "5 and does not; here none is clipped",
    epochs=630,
    batch_size=144,
    lr=0.05,
    optimizer=Sgd(weight_decay=4e-4, decay_norm_and_bias=True),
    schedule=CosineRestarts(first=10, factor=2, final=1e-4, per_epoch=True),
    augmentation=CUTOUT,
    auxiliary_weight=0.4,
    drop_path=DropPath(0.4, by_layer=True),
    dropout=0.2,
)
PETRIDISH: Final = Recipe(
    name="petridish",
    source="Petridish, arXiv:1905.13360: the training of the networks that were found",
    epochs=600,
    batch_size=32,
    lr=0.025,
    optimizer=Sgd(nesterov=False, weight_decay=1e-4),
    augmentation=MIRROR,
    drop_path=DropPath(0.4, by_layer=True),
)
for _recipe in (
    SHORTLIST,
    FINAL,
    NASBENCH201,
    NASBENCH201_12,
    DARTS_CIFAR10,
    DARTS_IMAGENET,
    NASNET_CIFAR10,
    NASNET_IMAGENET,
    PROXYLESSNAS_IMAGENET,
    ENAS_MICRO_FINAL,
    PETRIDISH,
):
    recipes.add(_recipe.name, _recipe)
