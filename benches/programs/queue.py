class Node:
    __slots__ = ("value", "next")
    def __init__(self, value, next):
        self.value = value
        self.next = next

class Queue:
    __slots__ = ("head", "tail", "size")
    def __init__(self):
        self.head = None
        self.tail = None
        self.size = 0

    def put(self, value):
        node = Node(value, None)
        if self.tail is None:
            self.head = node
        else:
            self.tail.next = node
        self.tail = node
        self.size += 1

    def take(self):
        node = self.head
        self.head = node.next
        if self.head is None:
            self.tail = None
        self.size -= 1
        return node.value

queue = Queue()
for i in range(1000):
    queue.put(i)
sum = 0
for i in range(1000000):
    value = queue.take()
    sum = (sum + value) % 1000003
    queue.put((value * 31 + i) % 1009)
print(sum, queue.size)
