"""Use a trained generator in a training loop of your own: synthetic images join each batch of real ones."""

import torch
from torch import nn

import augan
from augan.core.item import to_unit
from shapes import SETTINGS, images_to_train, shapes

images, labels = shapes(300)
model = augan.train((images, labels), images=images_to_train(), out="run", settings=SETTINGS).load()
real = torch.utils.data.TensorDataset(to_unit(images), torch.from_numpy(labels))
classifier = nn.Sequential(nn.Flatten(), nn.Linear(768, 2))
optimizer = torch.optim.Adam(classifier.parameters(), 1e-3)
for step, (some, theirs) in enumerate(torch.utils.data.DataLoader(real, batch_size=32, shuffle=True)):
    extra = model.sample(8, classes=["1"], first=8 * step)  # the rarer class
    x, y = torch.cat([some, extra]), torch.cat([theirs, torch.ones(8, dtype=torch.int64)])
    loss = nn.functional.cross_entropy(classifier(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"last loss {loss.item():.3f}")
