local Queue = {}
Queue.__index = Queue
function Queue:put(value)
  local node = { value = value }
  if self.tail == nil then self.head = node else self.tail.next = node end
  self.tail = node
  self.size = self.size + 1
end
function Queue:take()
  local node = self.head
  self.head = node.next
  if self.head == nil then self.tail = nil end
  self.size = self.size - 1
  return node.value
end
local queue = setmetatable({ size = 0 }, Queue)
for i = 0, 999 do queue:put(i) end
local sum = 0
for i = 0, 999999 do
  local value = queue:take()
  sum = (sum + value) % 1000003
  queue:put((value * 31 + i) % 1009)
end
print(sum .. " " .. queue.size)
