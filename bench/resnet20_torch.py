# SPDX-License-Identifier: Apache-2.0
"""CIFAR ResNet-20 as `intact new resnet20` makes it, in PyTorch: for comparisons."""


def resnet20(torch):
    nn, F = torch.nn, torch.nn.functional

    class Block(nn.Module):
        """Shortcuts without parameters: every second pixel, and zeros for the new channels."""
        def __init__(self, cin, cout, stride):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False), nn.BatchNorm2d(cout)
            self.conv2, self.bn2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False), nn.BatchNorm2d(cout)
            self.stride, self.more = stride, (cout - cin) // 2

        def forward(self, x):
            y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
            if self.stride > 1:
                x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.more, self.more))
            return F.relu(y + x)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.bn = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
            widths = [(16, 16, 1)] * 3 + [(16, 32, 2)] + [(32, 32, 1)] * 2 + [(32, 64, 2)] + [(64, 64, 1)] * 2
            self.blocks = nn.Sequential(*[Block(*w) for w in widths])
            self.fc = nn.Linear(64, 10)

        def forward(self, x):
            return self.fc(self.blocks(F.relu(self.bn(self.conv(x)))).mean((2, 3)))

    net = Net()
    for m in net.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
    return net
