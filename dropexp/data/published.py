"""PUBLISHED: the files of each downloadable data set, their checksums and where they can be had."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Published:
    """One row: paths inside the source's folder with the MD5 that its authors' files have, and mirrors to try in turn.

    `unpacked` holds the MD5 of the content of a .gz file, which may lie there without the suffix; `archive` is the (name, MD5)
    of the one download that holds all files, or None where each file is a download of its own.
    """

    files: dict[str, str]
    mirrors: tuple[str, ...]
    unpacked: dict[str, str] = field(default_factory=dict)
    archive: tuple[str, str] | None = None


TRAIN_X, TRAIN_Y = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"
TEST_X, TEST_Y = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"

PUBLISHED: dict[str, Published] = {
    "mnist": Published(
        files={
            TRAIN_X: "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            TRAIN_Y: "d53e105ee54ea40749a09fcbcd1e9432",
            TEST_X: "9fb629c4189551a2d022fa330f9573f3",
            TEST_Y: "ec29112dd5afa0611ce80d1b7f02629c",
        },
        unpacked={
            TRAIN_X: "6bbc9ace898e44ae57da46a324031adb",
            TRAIN_Y: "a25bea736e30d166cdddb491f175f624",
            TEST_X: "2646ac647ad5339dbf082846283269ea",
            TEST_Y: "27ae3e4e09519cfbb04c329615203637",
        },
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
            "https://dataset.bj.bcebos.com/mnist/",
        ),
    ),
    "fashion-mnist": Published(
        files={
            TRAIN_X: "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            TRAIN_Y: "25c81989df183df01b3e8a0aad5dffbe",
            TEST_X: "bef4ecab320f06d8554ea6380940ec79",
            TEST_Y: "bb300cfdad3c16e7a12a480ee83cd310",
        },
        unpacked={
            TRAIN_X: "f4a8712d7a061bf5bd6d2ca38dc4d50a",
            TRAIN_Y: "9018921c3c673c538a1fc5bad174d6f9",
            TEST_X: "8181f5470baa50b63fa0f6fddb340f0a",
            TEST_Y: "15d484375f8d13e6eb1aabb0c3f46965",
        },
        mirrors=(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
            "https://dataset.bj.bcebos.com/fashion_mnist/",
        ),
    ),
    "cifar10": Published(
        files={
            "cifar-10-batches-py/data_batch_1": "c99cafc152244af753f735de768cd75f",
            "cifar-10-batches-py/data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "cifar-10-batches-py/data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "cifar-10-batches-py/data_batch_4": "634d18415352ddfa80567beed471001a",
            "cifar-10-batches-py/data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
            "cifar-10-batches-py/test_batch": "40351d587109b95175f43aff81a1287e",
            "cifar-10-batches-py/batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
        },
        archive=("cifar-10-python.tar.gz", "c58f30108f718f92721af3b95e74349a"),
        mirrors=("https://www.cs.toronto.edu/~kriz/", "https://dataset.bj.bcebos.com/cifar/"),
    ),
    "cifar100": Published(
        files={
            "cifar-100-python/train": "16019d7e3df5f24257cddd939b257f8d",
            "cifar-100-python/test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
            "cifar-100-python/meta": "7973b15100ade9c7d40fb424638fde48",
        },
        archive=("cifar-100-python.tar.gz", "eb9058c3a382ffc7106e4002c42a8d85"),
        mirrors=("https://www.cs.toronto.edu/~kriz/", "https://dataset.bj.bcebos.com/cifar/"),
    ),
}
