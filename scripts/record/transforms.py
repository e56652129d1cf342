"""Records what torchvision's transforms make of small images: test/fixtures/transforms.json.gz, read by test/transforms.

    pip install torch torchvision
    python3 scripts/record/transforms.py
"""

import gzip
import json
from pathlib import Path

import torch
import torchvision
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as F

MODES = {m.value: m for m in InterpolationMode}


def encoded(t):
    return {'dtype': str(t.dtype).removeprefix('torch.'), 'shape': list(t.shape), 'data': t.double().flatten().tolist()}


def main():
    torch.manual_seed(3)
    images = {
        'float': torch.rand(3, 9, 13),
        'bytes': torch.randint(0, 256, (3, 12, 12), dtype=torch.uint8),
        'batch': torch.rand(2, 1, 8, 6),
    }
    functional, chance = [], []

    def call(name, image, args, keywords=None, run=None):
        keywords = keywords or {}
        made = (run or getattr(F, name))(images[image], *args, **keywords)
        functional.append({'name': name, 'image': image, 'args': args, 'options': keywords, 'result': encoded(made)})

    for image in images:
        call('crop', image, [1, 2, 4, 3], run=F.crop)
        call('crop', image, [-2, 3, 9, 9], run=F.crop)
        for size in ([4, 4], [5, 3], [20, 20], [30, 3], [4, 31]):
            call('centerCrop', image, [size], run=F.center_crop)
        call('hflip', image, [], run=F.horizontal_flip)
        call('vflip', image, [], run=F.vertical_flip)
        for size in ([5, 5], [17, 20], [4], [15]):
            for mode in ('nearest', 'nearest-exact', 'bilinear', 'bicubic'):
                for antialias in (True, False):
                    call(
                        'resize', image, [size], {'interpolation': mode, 'antialias': antialias},
                        run=lambda x, s, interpolation, antialias: F.resize(
                            x, s, interpolation=MODES[interpolation], antialias=antialias
                        ),
                    )
        call('resize', image, [[20]], {'maxSize': 23}, run=lambda x, s, maxSize: F.resize(x, s, max_size=maxSize))
        for padding in (1, [2, 3], [0, 1, 2, 3]):
            for mode in ('constant', 'edge', 'reflect', 'symmetric'):
                call(
                    'pad', image, [padding], {'paddingMode': mode},
                    run=lambda x, p, paddingMode: F.pad(x, p, padding_mode=paddingMode),
                )
        call('pad', image, [2], {'fill': 7}, run=lambda x, p, fill: F.pad(x, p, fill=fill))
        for angle in (0, 30, 90, 180, -90, 270, 45.5, 725):
            for mode in ('nearest', 'bilinear'):
                for more in ({}, {'expand': True}, {'fill': 3}):
                    call(
                        'rotate', image, [angle], {'interpolation': mode, **more},
                        run=lambda x, a, interpolation, **k: F.rotate(x, a, interpolation=MODES[interpolation], **k),
                    )
        call('rotate', image, [20], {'center': [2, 3]}, run=F.rotate)
        call('erase', image, [1, 2, 3, 4, 5], run=lambda x, i, j, h, w, v: F.erase(x, i, j, h, w, torch.tensor(v).to(x.dtype)))
    call('pad', 'float', [2], {'fill': [1, 2, 3]}, run=lambda x, p, fill: F.pad(x, p, fill=fill))
    call('rotate', 'float', [10], {'fill': [1, 2, 3]}, run=F.rotate)
    call('normalize', 'float', [[0.5, 0.4, 0.3], [0.2, 0.3, 0.4]], run=F.normalize)
    call('normalize', 'batch', [[0.5], [0.2]], run=F.normalize)
    for image in images:
        for dtype in ('float32', 'float64', 'uint8', 'int16', 'int32'):
            if image != 'bytes' and dtype == 'int32':
                continue
            call('toDtype', image, [dtype, True], run=lambda x, d, s: F.to_dtype(x, getattr(torch, d), s))

    def draw(name, image, args, keywords, make):
        torch.manual_seed(len(chance))
        transform = make()
        rows = [encoded(transform(images[image])) for _ in range(6)]
        then = torch.randint(2**31, ()).item()
        chance.append({'name': name, 'image': image, 'args': args, 'options': keywords, 'results': rows, 'then': then})

    for image in images:
        draw('RandomHorizontalFlip', image, [0.4], {}, lambda: v2.RandomHorizontalFlip(0.4))
        draw('RandomVerticalFlip', image, [], {}, lambda: v2.RandomVerticalFlip())
        draw('RandomCrop', image, [5], {}, lambda: v2.RandomCrop(5))
        draw('RandomCrop', image, [[8, 6], 2], {}, lambda: v2.RandomCrop((8, 6), 2))
        draw('RandomCrop', image, [16], {'padIfNeeded': True}, lambda: v2.RandomCrop(16, pad_if_needed=True))
        draw(
            'RandomCrop', image, [7], {'padding': [1, 2], 'paddingMode': 'reflect'},
            lambda: v2.RandomCrop(7, [1, 2], padding_mode='reflect'),
        )
        draw('RandomResizedCrop', image, [6], {}, lambda: v2.RandomResizedCrop(6))
        draw(
            'RandomResizedCrop', image, [[4, 7]], {'scale': [0.9, 3], 'ratio': [2, 3]},
            lambda: v2.RandomResizedCrop((4, 7), scale=(0.9, 3), ratio=(2, 3)),
        )
        draw('RandomRotation', image, [25], {}, lambda: v2.RandomRotation(25))
        draw(
            'RandomRotation', image, [[10, 80]], {'interpolation': 'bilinear', 'expand': True},
            lambda: v2.RandomRotation((10, 80), interpolation=InterpolationMode.BILINEAR, expand=True),
        )
        draw('RandomErasing', image, [], {}, lambda: v2.RandomErasing())
        draw('RandomErasing', image, [1], {'value': 9}, lambda: v2.RandomErasing(1, value=9))
    draw('RandomErasing', 'float', [0.8], {'value': 'random'}, lambda: v2.RandomErasing(0.8, value='random'))
    draw('RandomErasing', 'float', [1], {'value': [1, 2, 3]}, lambda: v2.RandomErasing(1, value=[1, 2, 3]))

    found = {
        'version': f'torch {torch.__version__}, torchvision {torchvision.__version__}',
        'images': {k: encoded(v) for k, v in images.items()},
        'functional': functional,
        'random': chance,
    }
    path = Path(__file__).parents[2] / 'test/fixtures/transforms.json.gz'
    with open(path, 'wb') as f, gzip.GzipFile(fileobj=f, mode='wb', mtime=0, filename='') as z:
        z.write((json.dumps(found) + '\n').encode())


if __name__ == '__main__':
    main()
